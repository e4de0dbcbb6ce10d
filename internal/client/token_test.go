package client_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rotatord/rotatord/internal/client"
)

func tokenFile(t *testing.T, content string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestTokenIsReadAnewForEachRequest(t *testing.T) {
	var got []string
	daemon := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = append(got, r.Header.Get("Authorization"))
		_, _ = w.Write([]byte(`{}`))
	}))
	defer daemon.Close()
	c, err := client.New(daemon.URL)
	if err != nil {
		t.Fatal(err)
	}
	file := tokenFile(t, "first\n")
	if err := c.UseToken(file); err != nil {
		t.Fatal(err)
	}
	for _, next := range []string{"second", "third"} {
		if _, err := c.Status(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(next), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if want := "Bearer first,Bearer second"; strings.Join(got, ",") != want {
		t.Errorf("sent %q, want %q", got, want)
	}
}

func TestTokensThatAreNotSent(t *testing.T) {
	good := tokenFile(t, "secret-token")
	for name, c := range map[string]struct{ address, file, why string }{
		"in the clear":      {"http://rotatord.example", good, "unencrypted"},
		"with a password":   {"https://a:b@rotatord.example", good, "not both"},
		"no file":           {"https://rotatord.example", good + "x", "no such file"},
		"an empty file":     {"https://rotatord.example", tokenFile(t, " \n"), "does not hold a token"},
		"two lines":         {"https://rotatord.example", tokenFile(t, "secret-token\nX-More: 1"), "does not hold a token"},
		"a file of no size": {"https://rotatord.example", tokenFile(t, strings.Repeat("a", 1<<20)), "does not hold a token"},
	} {
		t.Run(name, func(t *testing.T) {
			cl, err := client.New(c.address)
			if err != nil {
				t.Fatal(err)
			}
			if err := cl.UseToken(c.file); err == nil || !strings.Contains(err.Error(), c.why) || strings.Contains(err.Error(), "secret-token") {
				t.Errorf("got %v, want an error with %q that does not hold the token", err, c.why)
			}
		})
	}
}
