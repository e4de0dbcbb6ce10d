package realserver

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/hashicorp/vault/api"
)

// VaultServer is a running Vault server.
type VaultServer struct {
	// Address is its base URL.
	Address string
	// RootToken may do everything.
	RootToken string
	// Authority issued the server's certificate, and the client certificates that the server asks for; nil without TLS.
	Authority *Authority

	t       testing.TB
	options vaultOptions
	dir     string
	args    []string
	binary  string
	unseal  string
	clients [2]string // certificate and key that Client shows
	process *process
}

type vaultOptions struct{ persistent, tls bool }

// VaultOption changes what [Vault] starts.
type VaultOption func(*vaultOptions)

// Persistent keeps the server's data in files, so that it can be stopped, started, sealed and unsealed. Without it the server
// runs in its development mode, in memory.
func Persistent() VaultOption { return func(o *vaultOptions) { o.persistent = true } }

// WithTLS makes the server speak TLS and demand client certificates, both of [VaultServer.Authority]. It implies
// [Persistent].
func WithTLS() VaultOption { return func(o *vaultOptions) { o.persistent, o.tls = true, true } }

// startTries is how often another pair of ports is tried: between the look and the start, somebody may take one.
const startTries = 3

// Vault starts a Vault server that is unsealed and ready, with a KV engine of version 2 at "secret" in development mode and none
// otherwise. It is stopped when the test ends.
func Vault(t testing.TB, options ...VaultOption) *VaultServer {
	t.Helper()
	v := &VaultServer{t: t, binary: binary(t, "vault"), dir: t.TempDir(), RootToken: "root-" + rand.Text()}
	for _, option := range options {
		option(&v.options)
	}
	t.Cleanup(v.Stop)
	var err error
	for range startTries {
		v.configure(freePair(t))
		if err = v.start(); err == nil {
			break
		}
	}
	if err != nil {
		t.Fatalf("start Vault: %v", err)
	}
	if v.options.persistent {
		v.initialise()
		v.Unseal()
	}
	return v
}

func (v *VaultServer) configure(port int) {
	listen := fmt.Sprintf("127.0.0.1:%d", port)
	v.Address = "http://" + listen
	if !v.options.persistent {
		v.args = []string{"server", "-dev", "-dev-no-store-token", "-dev-root-token-id=" + v.RootToken, "-dev-listen-address=" + listen}
		return
	}
	listener := fmt.Sprintf("address = %q\n", listen)
	if v.options.tls {
		v.Address = "https://" + listen
		listener += v.secure()
	} else {
		listener += "tls_disable = true\n"
	}
	text := fmt.Sprintf("disable_mlock = true\nui = false\nstorage \"file\" {\n path = %q\n}\nlistener \"tcp\" {\n%s}\n",
		filepath.Join(v.dir, "data"), listener)
	config := filepath.Join(v.dir, "vault.hcl")
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		v.t.Fatal(err)
	}
	v.args = []string{"server", "-config=" + config}
}

// secure makes the certificates, once, and returns the lines of the listener that name them.
func (v *VaultServer) secure() string {
	if v.Authority == nil {
		v.Authority = NewAuthority(v.t)
		v.clients[0], v.clients[1] = v.Authority.Issue(v.t, "tester")
	}
	cert, key := v.Authority.Issue(v.t, "vault.test")
	return fmt.Sprintf("tls_cert_file = %q\ntls_key_file = %q\ntls_client_ca_file = %q\ntls_require_and_verify_client_cert = true\n",
		cert, key, v.Authority.File)
}

func (v *VaultServer) start() error {
	var err error
	// Vault 1.13 has a built-in certificate with a negative serial number, on which Go 1.23 and later fail otherwise.
	v.process, err = launch(v.dir, []string{"GODEBUG=x509negativeserial=1", "VAULT_LOG_LEVEL=error"}, v.binary, v.args...)
	if err != nil {
		return err
	}
	return v.process.await(v.answers)
}

// answers reports whether the server answers, and is this one: a development server by its token, which nobody else has,
// and any other by its being alive, because it ends when its port is taken.
func (v *VaultServer) answers(ctx context.Context) error {
	client := v.Client()
	health, err := client.Sys().HealthWithContext(ctx)
	if err != nil || v.options.persistent {
		return err
	}
	if health.Sealed {
		return fmt.Errorf("it is sealed")
	}
	_, err = client.Auth().Token().LookupSelfWithContext(ctx)
	return err
}

// Client returns a client with the root token, which follows nothing of the environment but what tests set themselves.
func (v *VaultServer) Client() *api.Client {
	v.t.Helper()
	transport := &http.Transport{}
	if v.Authority != nil {
		transport.TLSClientConfig = v.tlsConfig()
	}
	client, err := api.NewClient(&api.Config{Address: v.Address, HttpClient: &http.Client{Transport: transport}})
	if err != nil {
		v.t.Fatalf("make a Vault client: %v", err)
	}
	client.ClearNamespace()
	client.SetToken(v.RootToken)
	return client
}

func (v *VaultServer) initialise() {
	v.t.Helper()
	answer, err := v.Client().Sys().Init(&api.InitRequest{SecretShares: 1, SecretThreshold: 1})
	if err != nil {
		v.t.Fatalf("initialise Vault: %v; its output:\n%s", err, v.process.output)
	}
	v.unseal, v.RootToken = answer.Keys[0], answer.RootToken
}

// Unseal opens a sealed server, and returns when it is ready for requests.
func (v *VaultServer) Unseal() {
	v.t.Helper()
	if _, err := v.Client().Sys().Unseal(v.unseal); err != nil {
		v.t.Fatalf("unseal Vault: %v", err)
	}
	err := v.process.await(func(ctx context.Context) error {
		_, err := v.Client().Auth().Token().LookupSelfWithContext(ctx)
		return err
	})
	if err != nil {
		v.t.Fatalf("unseal Vault: %v", err)
	}
}

// Seal closes the server: it answers every request with 503 until [VaultServer.Unseal].
func (v *VaultServer) Seal() {
	v.t.Helper()
	if err := v.Client().Sys().Seal(); err != nil {
		v.t.Fatalf("seal Vault: %v", err)
	}
}

// Stop ends the server. What it printed is shown if the test has failed.
func (v *VaultServer) Stop() {
	if v.process == nil {
		return
	}
	v.process.stop()
	if v.t.Failed() {
		v.t.Logf("output of Vault at %s:\n%s", v.Address, v.process.output)
	}
	v.process = nil
}

// Start starts a stopped server at the same address. A [Persistent] one is sealed then; a development one is empty.
func (v *VaultServer) Start() {
	v.t.Helper()
	if err := v.start(); err != nil {
		v.t.Fatalf("start Vault again: %v", err)
	}
}

// Restart stops the server and starts it again, unsealed.
func (v *VaultServer) Restart() {
	v.t.Helper()
	v.Stop()
	v.Start()
	if v.options.persistent {
		v.Unseal()
	}
}
