package vault_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"
	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/sinks/vault"
	"github.com/rotatord/rotatord/test/realserver"
)

// TestAuth shares one server among all that needs no other one.
func TestAuth(t *testing.T) {
	server := realserver.Vault(t)
	for _, c := range []struct {
		name string
		run  func(*testing.T, *mount)
	}{
		{"token ends midway", tokenEndsMidway},
		{"token runs out unused", tokenRunsOutUnused},
		{"token revoked midway", tokenRevokedMidway},
		{"destroyed secret id", destroyedSecretID},
		{"secret id that ends", secretIDThatEnds},
		{"wrong AppRole", wrongAppRole},
		{"policy that does not allow", policyThatDoesNotAllow},
		{"policy without metadata", policyWithoutMetadata},
		{"one login at a time", oneLoginAtATime},
		{"token file", tokenFile},
		{"token file is renewed", tokenFileIsRenewed},
		{"token file that cannot be renewed", tokenFileThatCannotBeRenewed},
		{"root token never expires", rootTokenNeverExpires},
		{"kubernetes", kubernetes},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, newMount(t, server, 2, false)) })
	}
}

func tokenEndsMidway(t *testing.T, m *mount) {
	t.Parallel() // it waits for time to pass
	m.role = newRole(t, m.root, m.path+"-short", policyFor(m.path, 2), map[string]any{"token_ttl": "2s", "token_max_ttl": "4s"})
	o, l := m.options(), new(log)
	o.Observer = l.observe
	s := newSink(t, o)
	deliver(t, s, delivery(t, s, 1))
	if left := time.Until(s.TokenExpiry()); left <= 0 || left > 2*time.Second {
		t.Errorf("the token expires in %s", left)
	}
	if !s.CredentialEnds().IsZero() {
		t.Error("somebody is asked to replace a token that the sink logs in for")
	}
	version := 1
	until(t, func() error {
		version++
		_, err := s.Deliver(t.Context(), delivery(t, s, version))
		return err
	}, func() bool { return l.count("login") >= 2 && l.count("renew") >= 1 })
}

// secretIDThatEnds: where the policy lets the daemon ask, somebody is told in time to hand over another secret id.
func secretIDThatEnds(t *testing.T, m *mount) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		mayAsk bool
		ttl    time.Duration
	}{{"ends", true, time.Hour}, {"never", true, 0}, {"silent", false, time.Hour}} {
		name := m.path + "-" + c.name
		policy := policyFor(m.path, 2)
		if c.mayAsk {
			policy += fmt.Sprintf("path \"auth/approle/role/%s/secret-id/lookup\" { capabilities = [\"update\"] }\n", name)
		}
		m.role = newRole(t, m.root, name, policy, map[string]any{"secret_id_ttl": c.ttl.String()})
		s := newSink(t, m.options())
		deliver(t, s, delivery(t, s, 1))
		ends := s.CredentialEnds()
		if known := c.mayAsk && c.ttl > 0; known != !ends.IsZero() || known && (time.Until(ends) > c.ttl || time.Until(ends) < c.ttl-time.Minute) {
			t.Errorf("%s: the secret id ends at %s, want in %s: %t", c.name, ends, c.ttl, known)
		}
	}
}

func tokenRunsOutUnused(t *testing.T, m *mount) {
	t.Parallel() // it waits for time to pass
	m.role = newRole(t, m.root, m.path+"-short", policyFor(m.path, 2), map[string]any{"token_ttl": "1s", "token_max_ttl": "1s"})
	s := newSink(t, m.options())
	deliver(t, s, delivery(t, s, 1))
	until(t, func() error { return nil }, func() bool { return time.Now().After(s.TokenExpiry().Add(time.Second)) })
	deliver(t, s, delivery(t, s, 2))
}

func tokenRevokedMidway(t *testing.T, m *mount) {
	o, l := m.options(), new(log)
	o.Observer = l.observe
	s := newSink(t, o)
	deliver(t, s, delivery(t, s, 1))
	if err := m.root.Sys().RevokePrefix("auth/approle"); err != nil {
		t.Fatal(err)
	}
	deliver(t, s, delivery(t, s, 2))
	if got := l.count("login"); got != 2 {
		t.Errorf("%d logins, want 2", got)
	}
	if err := m.root.Sys().RevokePrefix("auth/approle"); err != nil {
		t.Fatal(err)
	}
	if err := s.Ping(t.Context()); err != nil {
		t.Errorf("Ping after a revocation: %v", err)
	}
	if got := l.count("login"); got != 3 {
		t.Errorf("%d logins, want 3", got)
	}
}

func destroyedSecretID(t *testing.T, m *mount) {
	kept, err := m.role.SecretID()
	if err != nil {
		t.Fatal(err)
	}
	write(t, m.root, "auth/approle/role/"+m.path+"/secret-id/destroy", map[string]any{"secret_id": string(kept.Reveal())})
	s := newSink(t, m.options())
	refused(t, s, delivery(t, s, 1), rotator.Denied, "secret id")
	if err := s.Ping(t.Context()); rotator.KindOf(err) != rotator.Denied {
		t.Errorf("Ping says %v", err)
	}
	if !s.TokenExpiry().IsZero() {
		t.Error("a token is said to expire, and there is none")
	}
}

func wrongAppRole(t *testing.T, m *mount) {
	for _, test := range []struct {
		name string
		role vault.AppRole
	}{
		{"role id", vault.AppRole{RoleID: "nobody", SecretID: m.role.SecretID}},
		{"secret id", vault.AppRole{RoleID: m.role.RoleID, SecretID: func() (rotator.Secret, error) { return rotator.SecretString(secret), nil }}},
		{"secret id file", vault.AppRole{RoleID: m.role.RoleID, SecretIDFile: filepath.Join(t.TempDir(), "missing")}},
		{"mount", vault.AppRole{Mount: "elsewhere", RoleID: m.role.RoleID, SecretID: m.role.SecretID}},
	} {
		t.Run(test.name, func(t *testing.T) {
			o := m.options()
			o.Auth.AppRole = &test.role
			s := newSink(t, o)
			refused(t, s, delivery(t, s, 1), rotator.Denied, "auth/")
		})
	}
}

func policyThatDoesNotAllow(t *testing.T, m *mount) {
	m.role = newRole(t, m.root, "reader", `path "`+m.path+`/data/*" { capabilities = ["read"] }`, nil)
	o, l := m.options(), new(log)
	o.Observer = l.observe
	s := newSink(t, o)
	refused(t, s, delivery(t, s, 1), rotator.Denied, "policies")
	if logins, writes, revoked := l.count("login"), l.count("write"), l.count("revoke"); logins != 2 || writes != 2 || revoked != 1 {
		t.Errorf("%d logins, %d writes and %d tokens given back; want 2, 2, 1", logins, writes, revoked)
	}
	if err := m.root.Sys().PutPolicy("reader", policyFor(m.path, 2)); err != nil {
		t.Fatal(err)
	}
	deliver(t, s, delivery(t, s, 1))
}

func policyWithoutMetadata(t *testing.T, m *mount) {
	m.role = newRole(t, m.root, "no-metadata", `path "`+m.path+`/data/*" { capabilities = ["create", "update", "read"] }`, nil)
	s := newSink(t, m.options())
	d := delivery(t, s, 1)
	refused(t, s, d, rotator.Denied, m.path+"/metadata/p/robot")
	if got, _, err := m.read(d.Location); err != nil || got != secret+"-1" {
		t.Errorf("a consumer reads %q, %v", got, err)
	}
}

func oneLoginAtATime(t *testing.T, m *mount) {
	o, l := m.options(), new(log)
	o.Observer = l.observe
	s := newSink(t, o)
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if err := s.Ping(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if got := l.count("login"); got != 1 {
		t.Errorf("%d logins, want 1", got)
	}
}

func TestWaitingForALoginHonoursTheContext(t *testing.T) {
	reached, release := make(chan struct{}), make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		close(reached)
		<-release
	}))
	defer server.Close()
	defer close(release)
	s := newSink(t, vault.Options{Address: server.URL, Path: "x", Auth: vault.Auth{AppRole: &vault.AppRole{
		RoleID: "r", SecretID: func() (rotator.Secret, error) { return rotator.SecretString("s"), nil },
	}}})
	ctx, cancel := context.WithCancel(t.Context())
	first := make(chan error)
	go func() { first <- s.Ping(ctx) }()
	<-reached
	short, cancelShort := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancelShort()
	wantFault(t, s.Ping(short), rotator.Transient, "deadline")
	cancel()
	wantFault(t, <-first, rotator.Transient, "canceled")
}

func tokenFile(t *testing.T, m *mount) {
	o, l := m.options(), new(log)
	path := filepath.Join(t.TempDir(), "token")
	o.Auth, o.Observer = vault.Auth{TokenFile: path}, l.observe
	s := newSink(t, o)
	refused(t, s, delivery(t, s, 1), rotator.Denied, path)
	putToken(t, path, " ")
	refused(t, s, delivery(t, s, 1), rotator.Denied, "is empty")
	putToken(t, path, strings.Repeat("x", 65<<10))
	refused(t, s, delivery(t, s, 1), rotator.Denied, "no token")

	first := tokenFor(t, m.root, m.path, nil)
	putToken(t, path, first)
	deliver(t, s, delivery(t, s, 1))
	if s.TokenExpiry().IsZero() {
		t.Error("the token's end is not known")
	}
	if !s.CredentialEnds().IsZero() {
		t.Error("somebody is asked to replace a token that is renewed")
	}
	if err := m.root.Auth().Token().RevokeTree(first); err != nil {
		t.Fatal(err)
	}
	lookups := l.count("lookup")
	refused(t, s, delivery(t, s, 2), rotator.Denied, "403")
	if got := l.count("lookup"); got != lookups {
		t.Error("an unchanged token file was tried again")
	}
	putToken(t, path, tokenFor(t, m.root, m.path, nil))
	deliver(t, s, delivery(t, s, 2))

	third := tokenFor(t, m.root, m.path, nil)
	putToken(t, path, third)
	deliver(t, s, delivery(t, s, 3))
	if err := m.root.Auth().Token().RevokeTree(third); err != nil {
		t.Fatal(err)
	}
	if err := s.Ping(t.Context()); rotator.KindOf(err) != rotator.Denied {
		t.Errorf("the replaced token was not in use: %v", err)
	}
}

func tokenFileIsRenewed(t *testing.T, m *mount) {
	t.Parallel() // it waits for time to pass
	o, l := m.options(), new(log)
	path := filepath.Join(t.TempDir(), "token")
	putToken(t, path, tokenFor(t, m.root, m.path, map[string]any{"period": "2s"}))
	o.Auth, o.Observer = vault.Auth{TokenFile: path}, l.observe
	s := newSink(t, o)
	until(t, func() error { return s.Ping(t.Context()) }, func() bool { return l.count("renew") >= 2 })
	deliver(t, s, delivery(t, s, 1))
}

func tokenFileThatCannotBeRenewed(t *testing.T, m *mount) {
	t.Parallel() // it waits for time to pass
	o, l := m.options(), new(log)
	path := filepath.Join(t.TempDir(), "token")
	putToken(t, path, tokenFor(t, m.root, m.path, map[string]any{"ttl": "3s", "renewable": false}))
	o.Auth, o.Observer = vault.Auth{TokenFile: path}, l.observe
	s := newSink(t, o)
	deliver(t, s, delivery(t, s, 1))
	if s.CredentialEnds().IsZero() || !s.CredentialEnds().Equal(s.TokenExpiry()) {
		t.Errorf("a token that cannot be renewed has to be replaced by %s, not by %s", s.TokenExpiry(), s.CredentialEnds())
	}
	until(t, func() error { return nil }, func() bool { return rotator.KindOf(s.Ping(t.Context())) == rotator.Denied })
	if time.Now().Before(s.TokenExpiry()) {
		t.Error("the token was given up before its end")
	}
	if l.count("renew") != 0 {
		t.Error("a token that cannot be renewed was")
	}
	putToken(t, path, tokenFor(t, m.root, m.path, nil))
	deliver(t, s, delivery(t, s, 2))
}

func rootTokenNeverExpires(t *testing.T, m *mount) {
	o := m.options()
	path := filepath.Join(t.TempDir(), "token")
	putToken(t, path, m.server.RootToken)
	o.Auth = vault.Auth{TokenFile: path}
	s := newSink(t, o)
	deliver(t, s, delivery(t, s, 1))
	if !s.TokenExpiry().IsZero() {
		t.Errorf("the root token expires at %s", s.TokenExpiry())
	}
}

func kubernetes(t *testing.T, m *mount) {
	jwt, reviewer, authority := serviceAccount(t, "system:serviceaccount:apps:rotatord")
	if err := m.root.Sys().EnableAuthWithOptions("kubernetes", &api.EnableAuthOptions{Type: "kubernetes"}); err != nil {
		t.Fatal(err)
	}
	write(t, m.root, "auth/kubernetes/config", map[string]any{
		"kubernetes_host": reviewer, "kubernetes_ca_cert": authority, "token_reviewer_jwt": jwt, "disable_local_ca_jwt": true,
	})
	write(t, m.root, "auth/kubernetes/role/rotatord", map[string]any{
		"bound_service_account_names": "rotatord", "bound_service_account_namespaces": "apps", "token_policies": m.path,
	})
	file := filepath.Join(t.TempDir(), "jwt")
	putToken(t, file, jwt)
	o := m.options()
	o.Auth = vault.Auth{Kubernetes: &vault.Kubernetes{Role: "rotatord", JWTFile: file}}
	s := newSink(t, o)
	deliver(t, s, delivery(t, s, 1))

	for name, wrong := range map[string]vault.Kubernetes{
		"role": {Role: "nobody", JWTFile: file}, "file": {Role: "rotatord", JWTFile: file + "-missing"},
	} {
		o.Auth = vault.Auth{Kubernetes: &wrong}
		s := newSink(t, o)
		_, err := s.Deliver(t.Context(), delivery(t, s, 2))
		if rotator.KindOf(err) != rotator.Denied || strings.Contains(err.Error(), jwt) {
			t.Errorf("with a wrong %s: %v", name, err)
		}
	}
}

// serviceAccount makes a service account's token, and a server that confirms it as a Kubernetes API server does.
func serviceAccount(t *testing.T, user string) (jwt, reviewer, authority string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	part := func(v any) string {
		text, _ := json.Marshal(v) // maps of strings can be encoded
		return base64.RawURLEncoding.EncodeToString(text)
	}
	jwt = part(map[string]any{"alg": "ES256"}) + "." + part(map[string]any{
		"sub": user, "exp": time.Now().Add(time.Hour).Unix(), "iat": time.Now().Unix(), "nbf": time.Now().Unix(),
		"kubernetes.io": map[string]any{"namespace": "apps", "serviceaccount": map[string]string{"name": "rotatord", "uid": "u-1"}},
	})
	hash := sha256.Sum256([]byte(jwt))
	r, s, err := ecdsa.Sign(rand.Reader, key, hash[:])
	if err != nil {
		t.Fatal(err)
	}
	signature := make([]byte, 64)
	r.FillBytes(signature[:32])
	s.FillBytes(signature[32:])
	jwt += "." + base64.RawURLEncoding.EncodeToString(signature)
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body) // what is missing of it is not confirmed
		status := map[string]any{"authenticated": false}
		if strings.Contains(string(body), jwt) {
			status = map[string]any{"authenticated": true, "user": map[string]any{"username": user, "uid": "u-1"}}
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusCreated)
		_ = json.NewEncoder(w).Encode(map[string]any{"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "status": status})
	}))
	t.Cleanup(server.Close)
	authority = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
	return jwt, server.URL, authority
}
