package config

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rotatord/rotatord/rotator"
)

// declaring puts service users at the top of the base, and more edits after that.
func declaring(users string, more ...string) []string {
	return append([]string{"store: {seal", "service_users: [" + users + "]\nstore: {seal"}, more...)
}

func TestServiceUserProblems(t *testing.T) {
	const good = "{provider: cc, label: ci, email: ci@example.com}"
	for _, tc := range []struct {
		name  string
		edits []string
		want  []string
	}{
		{"a good one", declaring(good), nil},
		{"no provider", declaring("{label: ci, email: ci@example.com}"),
			[]string{`r.yaml:1:17: service_users[0].provider: is missing`}},
		{"another provider", declaring("{provider: dd, label: ci, email: ci@example.com}"),
			[]string{`r.yaml:1:28: service_users[0].provider: there is no provider "dd" (write one of: cc)`}},
		{"nothing to recognise it by", declaring("{provider: cc, label: ci}"),
			[]string{`r.yaml:1:17: service_users[0]: has nothing that it could be recognised by (write a name, a login_id or an email)`}},
		{"a label twice", declaring(good + ", {provider: cc, label: ci, email: cd@example.com}"),
			[]string{`r.yaml:1:89: service_users[1].label: service_users[0] has the label "ci" too (give it another label)`}},
		{"two of the same", declaring(good + ", {provider: cc, label: cd, email: ci@example.com}"),
			[]string{`r.yaml:1:67: service_users[1]: cannot be told from service_users[0] (declare it once, or tell the two apart)`}},
		{"no policy selects it", declaring(good, "name: all", "name: all\n    match: {keys: [other]}"),
			[]string{`r.yaml:1:17: service_users[0]: no policy selects its credential, so nobody has said where its first key goes (add it to the match of a policy)`}},
		{"its policy only observes", declaring(good, "name: all", "name: all\n    observe_only: true"),
			[]string{`r.yaml:1:17: service_users[0]: no policy selects its credential, so nobody has said where its first key goes (add it to the match of a policy)`}},
		{"a word that is none for drift", declaring("{provider: cc, label: ci, email: ci@example.com, on_drift: mend}"),
			[]string{`r.yaml:1:76: service_users[0].on_drift: is not a value that exists (write one of: report, fix)`}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, errorsOf(t, edited(t, tc.edits...))); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
		})
	}
}

func TestServiceUserDeclared(t *testing.T) {
	c, err := Parse("r.yaml", []byte(edited(t, declaring("{provider: cc, label: ci, email: ci@example.com, containers: ['5'], restricted_to_role: '100', on_drift: fix}")...)))
	if err != nil {
		t.Fatal(err)
	}
	want := rotator.DeclaredUser{Provider: "cc", Label: "ci", Credential: "ci", FixDrift: true,
		Spec: rotator.UserSpec{Kind: rotator.ServiceKind, Email: "ci@example.com", Containers: []string{"5"}, RestrictedToRole: "100"}}
	if diff := cmp.Diff(want, c.ServiceUsers[0].Declared()); diff != "" {
		t.Error(diff)
	}
}

func TestPoliciesThatExtendOrObserve(t *testing.T) {
	one := []string{"type: certcentral\n    api_key_file: /etc/cc.key", "type: digicert_one\n    api_key_file: /etc/cc.key"}
	policy := func(text string, more ...string) []string {
		return append([]string{"    grace: 7d", "    grace: 7d\n" + text}, more...)
	}
	for _, tc := range []struct {
		name  string
		edits []string
		want  []string
	}{
		{"extends where that is possible", policy("    extend: true\n    lifetime: 90d", one...), nil},
		{"extends by nothing", policy("    extend: true", one...),
			[]string{`r.yaml:15:13: policies[0].extend: needs lifetime (write by how much, as in lifetime: 90d)`}},
		{"extends where nothing expires", policy("    extend: true\n    lifetime: 90d"),
			[]string{`r.yaml:15:13: policies[0].extend: provider "cc" cannot move the expiry of a key (leave it out there, or narrow match.providers)`}},
		{"observes without a sink", policy("    observe_only: true", "    sinks: [disk]\n", ""), nil},
		{"rotates without a sink", []string{"    sinks: [disk]\n", ""},
			[]string{`r.yaml:11:5: policies[0].sinks: is empty, so a new key would go nowhere (name the sinks that must hold the new key, or write observe_only: true)`}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, errorsOf(t, edited(t, tc.edits...))); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
		})
	}
}
