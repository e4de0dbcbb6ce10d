package vault_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/hashicorp/vault/api"
	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/sinks/sinktest"
	"github.com/rotatord/rotatord/sinks/vault"
	"github.com/rotatord/rotatord/test/realserver"
)

func TestConformance(t *testing.T) {
	server := realserver.Vault(t)
	for _, variant := range []struct {
		name        string
		version     int
		casRequired bool
	}{
		{"kv1", 1, false}, {"kv2", 2, false}, {"kv2 with cas_required", 2, true},
	} {
		t.Run(variant.name, func(t *testing.T) {
			sinktest.Run(t, func(t *testing.T) sinktest.Harness {
				return harness(t, newMount(t, server, variant.version, variant.casRequired))
			})
		})
	}
}

// mount is a key-value engine of a test's own, with an AppRole that may do there what the documentation asks for and no more.
type mount struct {
	server  *realserver.VaultServer
	root    *api.Client
	path    string
	version int
	role    *vault.AppRole
}

var mounts atomic.Int64

func newMount(t testing.TB, server *realserver.VaultServer, version int, casRequired bool) *mount {
	t.Helper()
	m := &mount{server: server, root: server.Client(), path: fmt.Sprintf("kv-%d", mounts.Add(1)), version: version}
	err := m.root.Sys().Mount(m.path, &api.MountInput{Type: "kv", Options: map[string]string{"version": fmt.Sprint(version)}})
	if err != nil {
		t.Fatal(err)
	}
	if casRequired {
		write(t, m.root, m.path+"/config", map[string]any{"cas_required": true})
	}
	m.role = newRole(t, m.root, m.path, policyFor(m.path, version), nil)
	return m
}

func policyFor(path string, version int) string {
	if version == 1 {
		return fmt.Sprintf(`path "%s/*" { capabilities = ["create", "read", "update"] }`, path)
	}
	return fmt.Sprintf(`path "%[1]s/data/*" { capabilities = ["create", "read", "update"] }
path "%[1]s/metadata/*" { capabilities = ["create", "update"] }`, path)
}

// newRole makes an AppRole of that name; settings are the role's own.
func newRole(t testing.TB, root *api.Client, name, policy string, settings map[string]any) *vault.AppRole {
	t.Helper()
	if auths, err := root.Sys().ListAuth(); err != nil {
		t.Fatal(err)
	} else if auths["approle/"] == nil {
		if err := root.Sys().EnableAuthWithOptions("approle", &api.EnableAuthOptions{Type: "approle"}); err != nil {
			t.Fatal(err)
		}
	}
	if err := root.Sys().PutPolicy(name, policy); err != nil {
		t.Fatal(err)
	}
	all := map[string]any{"token_policies": name}
	for key, value := range settings {
		all[key] = value
	}
	write(t, root, "auth/approle/role/"+name, all)
	id, err := root.Logical().Read("auth/approle/role/" + name + "/role-id")
	if err != nil {
		t.Fatal(err)
	}
	secret := write(t, root, "auth/approle/role/"+name+"/secret-id", nil).Data["secret_id"].(string)
	return &vault.AppRole{
		RoleID:   id.Data["role_id"].(string),
		SecretID: func() (rotator.Secret, error) { return rotator.SecretString(secret), nil },
	}
}

func write(t testing.TB, c *api.Client, path string, data map[string]any) *api.Secret {
	t.Helper()
	answer, err := c.Logical().Write(path, data)
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

func (m *mount) options() vault.Options {
	return vault.Options{
		Address: m.server.Address, Auth: vault.Auth{AppRole: m.role}, Mount: m.path, Path: "{{.Provider}}/{{.ServiceUser}}",
	}
}

func newSink(t testing.TB, o vault.Options) *vault.Sink {
	t.Helper()
	s, err := vault.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func harness(t *testing.T, m *mount) sinktest.Harness {
	adopting := m.options()
	adopting.AdoptExisting = true
	return sinktest.Harness{
		Sink: newSink(t, m.options()), Adopting: newSink(t, adopting), Stopping: m.stopping,
		Read: m.read, Overwrite: m.overwrite, Remove: m.remove, Forgets: m.version == 1,
	}
}

// api is the path in the API of a location's entry.
func (m *mount) api(location string) string {
	if m.version == 1 {
		return location
	}
	return m.path + "/data/" + strings.TrimPrefix(location, m.path+"/")
}

func (m *mount) read(location string) (string, bool, error) {
	answer, err := m.root.Logical().Read(m.api(location))
	if err != nil || answer == nil {
		return "", false, err
	}
	data := answer.Data
	if m.version == 2 {
		data, _ = data["data"].(map[string]any)
	}
	if data == nil {
		return "", false, nil
	}
	value, ok := data["api_key"].(string)
	if !ok {
		return "", true, errors.New("no api_key in it")
	}
	return value, true, nil
}

func (m *mount) overwrite(location, value string) error {
	data := map[string]any{"api_key": value, "note": "a person's own"}
	if m.version == 2 {
		kv := 0
		if now, err := m.root.Logical().Read(m.api(location)); err == nil && now != nil {
			kv = numberOf(now)
		}
		data = map[string]any{"data": data, "options": map[string]any{"cas": kv}}
	}
	_, err := m.root.Logical().Write(m.api(location), data)
	return err
}

func numberOf(answer *api.Secret) int {
	var n int
	_, _ = fmt.Sscan(fmt.Sprint(answer.Data["metadata"].(map[string]any)["version"]), &n) // 0 otherwise
	return n
}

func (m *mount) remove(location string) error {
	_, err := m.root.Logical().Delete(m.api(location))
	return err
}

// stopping puts a proxy before the server which breaks connections for good: before the n/2-th write arrives if n is even, and
// after its effect, before its answer, if n is odd.
func (m *mount) stopping(t testing.TB, n int) (rotator.Sink, func() bool) {
	var writes atomic.Int64
	var dead atomic.Bool
	proxy := newProxy(t, m.server.Address, func(w http.ResponseWriter, r *http.Request, forward http.Handler) {
		mine := r.Method != http.MethodGet && strings.HasPrefix(r.URL.Path, "/v1/"+m.path+"/")
		last := mine && writes.Add(1)-1 == int64(n/2)
		if last && n%2 == 1 {
			forward.ServeHTTP(httptest.NewRecorder(), r)
		}
		if last {
			dead.Store(true)
		}
		if dead.Load() {
			panic(http.ErrAbortHandler)
		}
		forward.ServeHTTP(w, r)
	})
	o := m.options()
	o.Address = proxy
	return newSink(t, o), dead.Load
}

// newProxy starts a server that hands requests to decide, with a handler that forwards to the real server.
func newProxy(t testing.TB, target string, decide func(http.ResponseWriter, *http.Request, http.Handler)) (address string) {
	t.Helper()
	to, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	forward := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to) }}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { decide(w, r, forward) }))
	t.Cleanup(server.Close)
	return server.URL
}
