package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/rotatord/rotatord/test/daemon"
	"github.com/rotatord/rotatord/test/realserver"
)

// fleet is what the tests run the daemon on: an emulated system, a real Vault server, and a folder for files. Where a test
// needs more than one system, it has a fleet for each, of which the daemon of one serves all.
type fleet struct {
	t        *testing.T
	provider *daemon.Emulator
	vault    *realserver.VaultServer
	client   *api.Client
	roleID   string
	secretID string
	// providerRoot and vaultURL are what the daemon is told; a front may stand before either.
	providerRoot, vaultURL string
	// place is the template of the paths in both sinks, settings are what the provider is told beside what it is.
	place, settings string
	// others are further systems that the daemon is configured for.
	others   []*fleet
	files    map[string]string // of the daemon's folder
	env      []string
	d        *daemon.Daemon
	services []daemon.Service
}

func newFleet(t *testing.T, e *daemon.Emulator) *fleet {
	t.Helper()
	f := &fleet{t: t, provider: e, vault: realserver.Vault(t), providerRoot: e.Root}
	f.place, f.settings = "{{.ServiceUser}}/{{.Credential}}", "propagation: 1s, rates: [{requests: 100000, per: 1m}]"
	f.client, f.vaultURL = f.vault.Client(), f.vault.Address
	f.enableAppRole()
	f.files = map[string]string{e.Name() + ".key": e.ManagerSecret(), "secret-id": f.secretID}
	return f
}

// join adds another system to the fleet, with the same sinks.
func (f *fleet) join(e *daemon.Emulator) *fleet {
	f.t.Helper()
	o := *f
	o.provider, o.providerRoot, o.services, o.others = e, e.Root, nil, nil
	f.files[e.Name()+".key"] = e.ManagerSecret()
	f.others = append(f.others, &o)
	return &o
}

// entry is the provider's entry in the configuration.
func (f *fleet) entry() string {
	return fmt.Sprintf("  - {name: %s, %s, %s}\n", f.provider.Name(), f.provider.Options(f.providerRoot), f.settings)
}

// enableAppRole makes the login that the documentation of the sink asks for, and no more.
func (f *fleet) enableAppRole() {
	f.t.Helper()
	if err := f.client.Sys().EnableAuthWithOptions("approle", &api.EnableAuthOptions{Type: "approle"}); err != nil {
		f.t.Fatal(err)
	}
	policy := `path "secret/data/rotatord/*" { capabilities = ["create", "read", "update"] }
path "secret/metadata/rotatord/*" { capabilities = ["create", "update"] }`
	if err := f.client.Sys().PutPolicy("rotatord", policy); err != nil {
		f.t.Fatal(err)
	}
	f.write("auth/approle/role/rotatord", map[string]any{"token_policies": "rotatord", "token_ttl": "10m"})
	id, err := f.client.Logical().Read("auth/approle/role/rotatord/role-id")
	if err != nil {
		f.t.Fatal(err)
	}
	f.roleID, _ = id.Data["role_id"].(string)
	f.secretID, _ = f.write("auth/approle/role/rotatord/secret-id", nil).Data["secret_id"].(string)
}

func (f *fleet) write(path string, data map[string]any) *api.Secret {
	f.t.Helper()
	answer, err := f.client.Logical().Write(path, data)
	if err != nil {
		f.t.Fatalf("write %s into Vault: %v", path, err)
	}
	return answer
}

// config is a configuration with both sinks. Rest is the policy and whatever else the test wants.
func (f *fleet) config(fileFormat, rest string) string {
	providers := f.entry()
	for _, o := range f.others {
		providers += o.entry()
	}
	return fmt.Sprintf(`providers:
%ssinks:
  - name: vault
    type: vault
    address: %q
    auth: {approle: {role_id: %q, secret_id_file: $DIR/secret-id}}
    path: "rotatord/%s"
  - {name: disk, type: file, path: "$DIR/keys/%s", mode: "0640", format: %s}
limits: {max_share_per_scan: 100%%, always_allowed: 1000, halt_after_failures: 1000}
`, providers, f.vaultURL, f.roleID, f.place, f.place, fileFormat) + rest
}

// prepare makes the daemon without starting it.
func (f *fleet) prepare(yaml string) {
	f.t.Helper()
	f.d = daemon.New(f.t, daemon.Config{YAML: yaml, Files: f.files, Env: f.env})
	for _, o := range f.others {
		o.d = f.d
	}
}

// placeOf is where the secret of a service's credential goes in both sinks.
func (f *fleet) placeOf(s daemon.Service) string {
	return strings.NewReplacer("{{.Provider}}", f.provider.Name(), "{{.ServiceUser}}", s.Name, "{{.Credential}}", s.Key).Replace(f.place)
}

func (f *fleet) file(s daemon.Service) string { return f.d.Path("keys/" + f.placeOf(s)) }

func (f *fleet) vaultPath(s daemon.Service) string { return "rotatord/" + f.placeOf(s) }

// fromVault reads a service's secret as a program does that asks Vault.
func (f *fleet) fromVault(s daemon.Service) daemon.Reader {
	return func(ctx context.Context) (string, error) {
		entry, err := f.client.KVv2("secret").Get(ctx, f.vaultPath(s))
		if errors.Is(err, api.ErrSecretNotFound) {
			return "", daemon.ErrNothing
		}
		if err != nil {
			return "", err
		}
		secret, ok := entry.Data["api_key"].(string)
		if !ok {
			return "", fmt.Errorf("the entry in Vault holds no api_key: it has %d other fields", len(entry.Data))
		}
		return secret, nil
	}
}

// fromJSON reads a service's secret out of a file of format json.
func (f *fleet) fromJSON(s daemon.Service) daemon.Reader {
	raw := daemon.FileReader(f.file(s))
	return func(ctx context.Context) (string, error) {
		text, err := raw(ctx)
		if err != nil {
			return "", err
		}
		var content struct {
			Secret string `json:"api_key"`
		}
		if err := json.Unmarshal([]byte(text), &content); err != nil {
			return "", fmt.Errorf("the file is no JSON: %w", err)
		}
		return content.Secret, nil
	}
}

// readers are the places where a service's secret is delivered to.
func (f *fleet) readers(s daemon.Service) map[string]daemon.Reader {
	return map[string]daemon.Reader{"vault": f.fromVault(s), "disk": f.fromJSON(s)}
}

// consume starts a consumer of each sink for each service.
func (f *fleet) consume(pause time.Duration) (all consumers) {
	for _, s := range f.services {
		for sink, read := range f.readers(s) {
			all = append(all, f.provider.Consume(f.t, s.Name+" by "+sink, s.Secret, read, pause))
		}
	}
	return all
}

// consumers are several, judged together.
type consumers []*daemon.Consumer

// failures are what went wrong for any of them.
func (cs consumers) failures() string {
	var all []string
	for _, c := range cs {
		if bad := c.Failures(); bad != "" {
			all = append(all, bad)
		}
	}
	return strings.Join(all, "\n")
}

// used says which of them has used fewer secrets than that, if one has.
func (cs consumers) used(secrets int) error {
	for i, c := range cs {
		if calls, used := c.Calls(); used < secrets {
			return fmt.Errorf("consumer %d of %d used %d different secrets in %d calls, want at least %d", i+1, len(cs), used, calls, secrets)
		}
	}
	return nil
}

// verdict waits until each of them has used that many secrets, stops them, and fails the test if one call was refused.
func (cs consumers) verdict(t *testing.T, secrets int) {
	t.Helper()
	daemon.Await(t, daemon.Patience, "the consumers to take over what was delivered", func() error { return cs.used(secrets) })
	total, fewest := 0, math.MaxInt
	for _, c := range cs {
		c.Stop()
		calls, used := c.Calls()
		total, fewest = total+calls, min(fewest, used)
	}
	if bad := cs.failures(); bad != "" {
		t.Errorf("consumers were left without a working key:\n%s", bad)
	}
	t.Logf("%d consumers made %d calls, each with at least %d different secrets", len(cs), total, fewest)
}

// pause stops them, while the provider is down for them as well.
func (cs consumers) pause() {
	for _, c := range cs {
		c.Stop()
	}
}
