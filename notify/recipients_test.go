package notify

import "testing"

func TestRecipients(t *testing.T) {
	r := Recipients{Allowed: []string{"*@example.com", "Bob@Example.org"}, Fallback: "team@example.net"}
	for _, tc := range []struct{ address, want string }{
		{"ann@example.com", "ann@example.com"},
		{" ann@example.com ", "ann@example.com"},
		{"Ann@EXAMPLE.com", "Ann@EXAMPLE.com"},
		{"bob@example.org", "bob@example.org"},
		{"eve@example.org", "team@example.net"},
		{"eve@evil.example.com.example.net", "team@example.net"},
		{"team@example.net", "team@example.net"},
		{"", "team@example.net"},
		{"nobody", "team@example.net"},
		{"Ann <ann@example.com>", "team@example.net"},
		{"ann@example.com,eve@example.com", "team@example.net"},
		{"eve@example.net,ann@example.com", "team@example.net"},
		{"ann@example.com\r\nRCPT TO:<eve@example.net>", "team@example.net"},
		{"\"a b\"@example.com", "team@example.net"},
		{"-x@example.com", "team@example.net"},
	} {
		t.Run(tc.address, func(t *testing.T) {
			if got := r.Of(tc.address); got != tc.want {
				t.Errorf("%q is written to at %q, want %q", tc.address, got, tc.want)
			}
			if again := r.Of(r.Of(tc.address)); again != tc.want {
				t.Errorf("asked twice: %q", again)
			}
		})
	}
	if got := (Recipients{}).Of("ann@example.com"); got != "" {
		t.Errorf("nobody is allowed, and %q is written to", got)
	}
}
