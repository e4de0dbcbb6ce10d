package vault_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/vault/api"
	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/sinks/vault"
	"github.com/rotatord/rotatord/test/realserver"
)

// TestKV shares one server among all that needs no other one.
func TestKV(t *testing.T) {
	server := realserver.Vault(t)
	for _, c := range []struct {
		name    string
		version int
		run     func(*testing.T, *mount)
	}{
		{"entry", 2, entryLayout},
		{"entry of version 1", 1, entryLayout},
		{"custom metadata", 2, customMetadata},
		{"metadata are brought up to date", 2, metadataLag},
		{"adopting keeps other fields", 2, adoptingKeeps},
		{"adopting keeps other fields, version 1", 1, adoptingKeeps},
		{"the same data again is a foreign write", 2, sameDataAgain},
		{"a rollback is a foreign write", 2, rollback},
		{"a copied entry is foreign", 2, copied},
		{"a copied entry is foreign, version 1", 1, copied},
		{"a changed mark is foreign", 1, changedMark},
		{"a foreign entry that was deleted is out of the way", 2, foreignDeleted},
		{"destroyed", 2, destroyed},
		{"all history removed", 2, historyRemoved},
		{"wrong version configured", 2, wrongVersion},
		{"no such mount", 2, noMount},
		{"not a key-value engine", 2, otherEngine},
		{"not text", 2, notText},
		{"environment", 2, environment},
		{"field of another name", 2, otherField},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, newMount(t, server, c.version, false)) })
	}
}

// data reads an entry's fields.
func (m *mount) data(t *testing.T, d rotator.Delivery) map[string]any {
	t.Helper()
	answer, err := m.root.Logical().Read(m.api(d.Location))
	if err != nil || answer == nil {
		t.Fatalf("read %s: %v, %v", d.Location, answer, err)
	}
	if m.version == 1 {
		return answer.Data
	}
	return answer.Data["data"].(map[string]any)
}

// put writes as somebody else, over whatever is there.
func (m *mount) put(t *testing.T, location string, data map[string]any) {
	t.Helper()
	if m.version == 2 {
		data = map[string]any{"data": data}
	}
	write(t, m.root, m.api(location), data)
}

func (m *mount) metadata(t *testing.T, d rotator.Delivery) map[string]any {
	t.Helper()
	answer, err := m.root.Logical().Read(strings.Replace(m.api(d.Location), "/data/", "/metadata/", 1))
	if err != nil || answer == nil {
		t.Fatalf("read the metadata of %s: %v, %v", d.Location, answer, err)
	}
	custom, _ := answer.Data["custom_metadata"].(map[string]any)
	return custom
}

func entryLayout(t *testing.T, m *mount) {
	s := newSink(t, m.options())
	d := delivery(t, s, 3)
	receipt := deliver(t, s, d)
	data := m.data(t, d)
	line, _ := data["rotatord"].(string)
	delete(data, "rotatord")
	want := map[string]any{
		"api_key": secret + "-3", "key_id": "13", "key_name": "ci-r0003", "version": "3", "expires": "2030-01-02T03:04:05Z",
	}
	if diff := cmp.Diff(want, data); diff != "" {
		t.Error(diff)
	}
	var mark map[string]any
	if err := json.Unmarshal([]byte(line), &mark); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(line, secret) || mark["rotation"] != "r3" || mark["fingerprint"] != "f3" || mark["path"] != "p/robot" {
		t.Errorf("the mark is %s", line)
	}
	wantDetail := d.Location
	if m.version == 2 {
		wantDetail += " (KV version 1)"
	}
	if receipt.Detail != wantDetail {
		t.Errorf("the receipt reads %q, want %q", receipt.Detail, wantDetail)
	}
}

func customMetadata(t *testing.T, m *mount) {
	s := newSink(t, m.options())
	d := delivery(t, s, 1)
	write(t, m.root, m.path+"/metadata/p/robot", map[string]any{"custom_metadata": map[string]string{"owner": "platform"}, "max_versions": 7})
	d.Rotation, d.Fingerprint, d.KeyID = "r\x001\n", strings.Repeat("é", 400), ""
	deliver(t, s, d)
	want := map[string]any{
		"owner": "platform", "managed-by": "rotatord", "rotatord-version": "1", "rotatord-rotation": "r1",
		"rotatord-fingerprint": strings.Repeat("é", 256),
	}
	if diff := cmp.Diff(want, m.metadata(t, d)); diff != "" {
		t.Error(diff)
	}
	deliver(t, s, delivery(t, s, 2))
	if got := m.metadata(t, d); got["rotatord-version"] != "2" || got["rotatord-key-id"] != "12" || got["owner"] != "platform" {
		t.Errorf("after the second delivery the metadata are %v", got)
	}
}

func metadataLag(t *testing.T, m *mount) {
	s := newSink(t, m.options())
	d := delivery(t, s, 1)
	deliver(t, s, d)
	write(t, m.root, m.path+"/metadata/p/robot", map[string]any{"custom_metadata": map[string]string{}})
	if receipt := deliver(t, s, d); !strings.Contains(receipt.Detail, "KV version 1") {
		t.Errorf("the secret was written again: %s", receipt.Detail)
	}
	if got := m.metadata(t, d); got["rotatord-version"] != "1" {
		t.Errorf("the metadata are %v", got)
	}
}

func adoptingKeeps(t *testing.T, m *mount) {
	o := m.options()
	o.AdoptExisting = true
	s := newSink(t, o)
	d := delivery(t, s, 1)
	m.put(t, d.Location, map[string]any{"api_key": "by hand", "url": "https://example.com", "port": 8443, "expires": "never"})
	d.Expires = time.Time{}
	deliver(t, s, d)
	if expires, there := m.data(t, d)["expires"]; there {
		t.Errorf("a key without an end expires %v", expires)
	}
	deliver(t, newSink(t, m.options()), delivery(t, s, 2))
	got := m.data(t, d)
	if got["url"] != "https://example.com" || fmt.Sprint(got["port"]) != "8443" || got["api_key"] != secret+"-2" {
		t.Errorf("the entry holds %v", got)
	}
}

func sameDataAgain(t *testing.T, m *mount) {
	s := newSink(t, m.options())
	d := delivery(t, s, 1)
	deliver(t, s, d)
	m.put(t, d.Location, m.data(t, d))
	refused(t, s, d, rotator.Conflict, "KV version 2, written at ")
	refused(t, s, delivery(t, s, 2), rotator.Conflict, "came after rotation r1 had left version 1 (key 11) as KV version 1")
	if o := observe(t, s, d); o.Ours || o.Version != 1 {
		t.Errorf("observed %+v", o)
	}
}

func rollback(t *testing.T, m *mount) {
	s := newSink(t, m.options())
	deliver(t, s, delivery(t, s, 1))
	first := m.data(t, delivery(t, s, 1))
	deliver(t, s, delivery(t, s, 2))
	m.put(t, delivery(t, s, 1).Location, first)
	refused(t, s, delivery(t, s, 2), rotator.Conflict, "KV version 3")
	refused(t, s, delivery(t, s, 3), rotator.Conflict, "vault kv delete -mount="+m.path+" p/robot")
}

func copied(t *testing.T, m *mount) {
	s := newSink(t, m.options())
	d := delivery(t, s, 9)
	deliver(t, s, d)
	other := delivery(t, s, 1)
	other.ServiceUser, other.Location = "other", m.path+"/p/other"
	m.put(t, other.Location, m.data(t, d))
	refused(t, s, other, rotator.Conflict, "no mark of rotatord for this place")
	o := m.options()
	o.AdoptExisting = true
	deliver(t, newSink(t, o), other) // the copied mark's higher version does not count
}

func changedMark(t *testing.T, m *mount) {
	s := newSink(t, m.options())
	d := delivery(t, s, 1)
	deliver(t, s, d)
	for name, change := range map[string]func(map[string]any){
		"value": func(data map[string]any) { data["api_key"] = "changed" },
		"version": func(data map[string]any) {
			data["rotatord"] = strings.Replace(data["rotatord"].(string), `"version":1`, `"version":0`, 1)
		},
		"no text":  func(data map[string]any) { data["api_key"] = 5 },
		"broken":   func(data map[string]any) { data["rotatord"] = "{" },
		"number":   func(data map[string]any) { data["rotatord"] = 7 },
		"no field": func(data map[string]any) { delete(data, "api_key") },
	} {
		t.Run(name, func(t *testing.T) {
			data := m.data(t, d)
			defer m.put(t, d.Location, m.data(t, d))
			change(data)
			m.put(t, d.Location, data)
			refused(t, s, delivery(t, s, 2), rotator.Conflict, "nothing was overwritten")
			if o := observe(t, s, d); o.Ours || !o.Present {
				t.Errorf("observed %+v", o)
			}
		})
	}
}

func foreignDeleted(t *testing.T, m *mount) {
	s := newSink(t, m.options())
	d := delivery(t, s, 1)
	m.put(t, d.Location, map[string]any{"api_key": "by hand"})
	refused(t, s, d, rotator.Conflict, "remove it")
	if err := m.remove(d.Location); err != nil {
		t.Fatal(err)
	}
	deliver(t, s, d)
}

func destroyed(t *testing.T, m *mount) {
	s := newSink(t, m.options())
	d := delivery(t, s, 1)
	deliver(t, s, d)
	write(t, m.root, m.path+"/destroy/p/robot", map[string]any{"versions": []int{1}})
	if o := observe(t, s, d); o.Present {
		t.Errorf("a destroyed secret is observed as %+v", o)
	}
	if receipt := deliver(t, s, d); !strings.Contains(receipt.Detail, "KV version 2") {
		t.Errorf("the receipt reads %q", receipt.Detail)
	}
	if o := observe(t, s, d); !o.Ours || o.Version != 1 {
		t.Errorf("observed %+v", o)
	}
}

func historyRemoved(t *testing.T, m *mount) {
	s := newSink(t, m.options())
	deliver(t, s, delivery(t, s, 5))
	if _, err := m.root.Logical().Delete(m.path + "/metadata/p/robot"); err != nil {
		t.Fatal(err)
	}
	deliver(t, s, delivery(t, s, 4)) // the operator voided version 5 as the conflict's message says
}

func wrongVersion(t *testing.T, m *mount) {
	o := m.options()
	o.KVVersion = 1
	s := newSink(t, o)
	refused(t, s, delivery(t, s, 1), rotator.Invalid, "it has version 2 and kv_version says 1")
	o.KVVersion = 2
	s = newSink(t, o)
	deliver(t, s, delivery(t, s, 1))
}

func noMount(t *testing.T, m *mount) {
	o := m.options()
	o.Mount = "nowhere"
	s := newSink(t, o)
	refused(t, s, delivery(t, s, 1), rotator.Denied, "there is no such mount")
	o.KVVersion = 2
	m.role = newRole(t, m.root, "nowhere", policyFor("nowhere", 2), nil)
	o.Auth.AppRole = m.role
	s = newSink(t, o)
	refused(t, s, delivery(t, s, 1), rotator.Gone, "check mount and namespace")
	if _, err := s.Observe(t.Context(), rotator.Coordinates{}, "nowhere/x"); rotator.KindOf(err) != rotator.Gone {
		t.Errorf("a missing mount is observed with %v", err)
	}
}

func otherEngine(t *testing.T, m *mount) {
	if err := m.root.Sys().Mount("transit", &api.MountInput{Type: "transit"}); err != nil {
		t.Fatal(err)
	}
	o := m.options()
	o.Mount = "transit"
	o.Auth.AppRole = newRole(t, m.root, "transit", `path "transit/*" { capabilities = ["read"] }`, nil)
	s := newSink(t, o)
	refused(t, s, delivery(t, s, 1), rotator.Invalid, `it is of type "transit"`)
}

func notText(t *testing.T, m *mount) {
	s := newSink(t, m.options())
	d := delivery(t, s, 1)
	d.Secret = rotator.SecretString("a\xffb")
	refused(t, s, d, rotator.Invalid, "UTF-8")
}

func environment(t *testing.T, m *mount) {
	for name, value := range map[string]string{
		"VAULT_ADDR": "http://127.0.0.1:1", "VAULT_TOKEN": "x", "VAULT_NAMESPACE": "elsewhere", "VAULT_HEADERS": `{"x":"y"}`,
		"VAULT_AGENT_ADDR": "http://127.0.0.1:1", "VAULT_RATE_LIMIT": "1:0", "VAULT_MAX_RETRIES": "9",
	} {
		t.Setenv(name, value)
	}
	s := newSink(t, m.options())
	deliver(t, s, delivery(t, s, 1))
}

func otherField(t *testing.T, m *mount) {
	o := m.options()
	o.Field = "password"
	s := newSink(t, o)
	d := delivery(t, s, 1)
	deliver(t, s, d)
	if got := m.data(t, d)["password"]; got != secret+"-1" {
		t.Errorf("the field holds %v", got)
	}
	changed := newSink(t, m.options())
	refused(t, changed, d, rotator.Conflict, "its field api_key is missing")
}

func TestOptions(t *testing.T) {
	token := vault.Auth{TokenFile: "/run/token"}
	for _, test := range []struct {
		name    string
		options vault.Options
		words   string
	}{
		{"no address", vault.Options{Path: "x", Auth: token}, "address"},
		{"address without scheme", vault.Options{Address: "vault:8200", Path: "x", Auth: token}, "write it as https://"},
		{"address with a password", vault.Options{Address: "https://u:" + secret + "@vault", Path: "x", Auth: token}, "nothing else"},
		{"unreadable address", vault.Options{Address: "https://\x00", Path: "x", Auth: token}, "address"},
		{"no path", vault.Options{Address: "https://vault", Auth: token}, "path template"},
		{"absolute path", vault.Options{Address: "https://vault", Path: "/x", Auth: token}, "leave the first /"},
		{"version 3", vault.Options{Address: "https://vault", Path: "x", Auth: token, KVVersion: 3}, "kv_version 3"},
		{"mount that climbs", vault.Options{Address: "https://vault", Path: "x", Auth: token, Mount: "a/../b"}, "mount"},
		{"field that is taken", vault.Options{Address: "https://vault", Path: "x", Auth: token, Field: "rotatord"}, "is used for something else"},
		{"half a certificate", vault.Options{Address: "https://vault", Path: "x", Auth: token, CertFile: "c"}, "set both or neither"},
		{"missing certificate", vault.Options{Address: "https://vault", Path: "x", Auth: token, CertFile: "c", KeyFile: "k"}, "cert_file"},
		{"missing authority", vault.Options{Address: "https://vault", Path: "x", Auth: token, CAFile: "c"}, "ca_file"},
		{"authority that is none", vault.Options{Address: "https://vault", Path: "x", Auth: token, CAFile: "kv_test.go"}, "holds no certificate"},
		{"no way to log in", vault.Options{Address: "https://vault", Path: "x"}, "0 ways"},
		{"two ways to log in", vault.Options{Address: "https://vault", Path: "x", Auth: vault.Auth{TokenFile: "x", Kubernetes: &vault.Kubernetes{}}}, "2 ways"},
		{"no role", vault.Options{Address: "https://vault", Path: "x", Auth: vault.Auth{Kubernetes: &vault.Kubernetes{}}}, "role is missing"},
		{"no role id", vault.Options{Address: "https://vault", Path: "x", Auth: vault.Auth{AppRole: &vault.AppRole{}}}, "role_id"},
		{"no secret id", vault.Options{Address: "https://vault", Path: "x", Auth: vault.Auth{AppRole: &vault.AppRole{RoleID: "r"}}}, "exactly one of secret_id"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, err := vault.New(test.options)
			if err == nil || !strings.Contains(err.Error(), test.words) || strings.Contains(err.Error(), secret) {
				t.Errorf("New gave %v, %v; want an error that says %q", s, err, test.words)
			}
		})
	}
}
