package seal_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/hashicorp/vault/api"

	"github.com/rotatord/rotatord/rotator/seal"
	"github.com/rotatord/rotatord/test/daemon"
	"github.com/rotatord/rotatord/test/realserver"
	"github.com/rotatord/rotatord/web"
)

// policy is what the documentation asks for, and no more.
const policy = `path "transit/datakey/plaintext/rotatord" { capabilities = ["update"] }
path "transit/decrypt/rotatord" { capabilities = ["update"] }
path "transit/rewrap/rotatord" { capabilities = ["update"] }`

// wrapping starts a Vault server with a transit key, and returns the section store that uses it and a token for it.
func wrapping(t *testing.T) (v *realserver.VaultServer, store, token string) {
	t.Helper()
	v = realserver.Vault(t, realserver.Persistent())
	c := v.Client()
	must(t, c.Sys().Mount("transit", &api.MountInput{Type: "transit"}))
	_, err := c.Logical().Write("transit/keys/rotatord", map[string]any{})
	must(t, err)
	must(t, c.Sys().PutPolicy("seal", policy))
	made, err := c.Auth().Token().CreateOrphan(&api.TokenCreateRequest{Policies: []string{"seal"}, TTL: "1h"})
	must(t, err)
	return v, fmt.Sprintf("store: {path: $DIR/state/rotatord.db, seal: {vault_transit: {address: %q, key: rotatord, auth: {token_file: $DIR/token}}}}\n",
		v.Address), made.Auth.ClientToken
}

func (s *scene) sealNow() (st web.Seal) {
	s.t.Helper()
	status, body := s.d.Get("/api/v1/seal")
	if status != http.StatusOK || json.Unmarshal([]byte(body), &st) != nil {
		s.t.Fatalf("GET /api/v1/seal: %d %s", status, body)
	}
	return st
}

// TestVaultWrapsTheSealKey: a secret in flight survives a restart during which Vault is away, the daemon says what it waits for,
// and the rotation ends once Vault is back.
func TestVaultWrapsTheSealKey(t *testing.T) {
	v, store, token := wrapping(t)
	s := newScene(t, store, "raw", map[string]string{"token": token})
	free := s.undeliverable()
	s.d.Start()
	s.inStage("delivering")
	before := s.sealNow()
	if !before.Ready || before.Sealed != 1 || len(before.Keys) != 1 {
		t.Errorf("the seal is %+v", before)
	}
	s.d.Stop()
	v.Stop()
	s.d.Launch()
	daemon.Await(t, daemon.Patience, "it to say what it waits for", func() error {
		if !strings.Contains(s.d.Logs(), "waiting for its seal key") {
			return fmt.Errorf("the log does not say so")
		}
		return nil
	})
	status, text := s.d.Get("/-/ready")
	if status != http.StatusServiceUnavailable || !strings.Contains(text, "waiting for the seal key") {
		t.Errorf("while Vault is away, /-/ready answers %d: %s", status, text)
	}
	if status, _ := s.d.Get("/-/healthy"); status != http.StatusOK {
		t.Errorf("while Vault is away, /-/healthy answers %d: a supervisor would restart it for nothing", status)
	}
	if st := s.sealNow(); st.Ready {
		t.Errorf("without its key the seal is %+v", st)
	}
	v.Start()
	v.Unseal()
	s.d.AwaitReady()
	s.inStage("delivering")
	if after := s.sealNow(); after.Keys[0] != before.Keys[0] {
		t.Errorf("the key is %s, and was %s", after.Keys[0], before.Keys[0])
	}
	free()
	s.done()
	must(t, s.provider.Use(t.Context(), s.delivered()))
}

// TestTheWrappingKeyIsRotated: after a rotation in Vault, a reload exchanges the seal key, and what was wrapped before may be
// destroyed.
func TestTheWrappingKeyIsRotated(t *testing.T) {
	v, store, token := wrapping(t)
	s := newScene(t, store, "raw", map[string]string{"token": token})
	free := s.undeliverable()
	s.d.Start()
	s.inStage("delivering")
	before := s.sealNow()
	_, err := v.Client().Logical().Write("transit/keys/rotatord/rotate", map[string]any{})
	must(t, err)
	if status, body := s.d.Send(http.MethodPost, "/-/reload", nil); status != http.StatusOK {
		t.Fatalf("reload: %d %s", status, body)
	}
	after := s.sealNow()
	if after.Keys[0] == before.Keys[0] || after.Sealed != 1 || after.Behind != 0 {
		t.Errorf("after the rotation the seal is %+v, and was %+v", after, before)
	}
	_, err = v.Client().Logical().Write("transit/keys/rotatord/config", map[string]any{"min_decryption_version": 2})
	must(t, err)
	s.d.Restart()
	s.inStage("delivering")
	free()
	s.done()
	must(t, s.provider.Use(t.Context(), s.delivered()))
}

// TestAKeyFileIsExchangedForVault goes from a key file to Vault and back, with a secret in flight.
func TestAKeyFileIsExchangedForVault(t *testing.T) {
	_, store, token := wrapping(t)
	inFile := "store: {path: $DIR/state/rotatord.db, seal: {key_file: $DIR/seal.key}}\n"
	s := newScene(t, inFile, "raw", map[string]string{"token": token, "seal.key": seal.NewKey()})
	free := s.undeliverable()
	s.d.Start()
	s.inStage("delivering")
	rest := fmt.Sprintf(policies, s.provider.BaseURL, "raw")
	for _, section := range []string{store, inFile, store} {
		s.d.Configure(section + rest)
		if status, body := s.d.Send(http.MethodPost, "/-/reload", nil); status != http.StatusOK {
			t.Fatalf("reload: %d %s", status, body)
		}
		if st := s.sealNow(); st.Sealed != 1 || st.Behind != 0 {
			t.Errorf("after the exchange the seal is %+v", st)
		}
		s.d.Restart()
		s.inStage("delivering")
	}
	free()
	s.done()
}

// TestTheWrappingKeyIsGone: a start says what is lost, and the way out leads to a rotation that ends.
func TestTheWrappingKeyIsGone(t *testing.T) {
	v, store, token := wrapping(t)
	s := newScene(t, store, "raw", map[string]string{"token": token})
	free := s.undeliverable()
	s.d.Start()
	s.inStage("delivering")
	s.d.Stop()
	c := v.Client()
	_, err := c.Logical().Write("transit/keys/rotatord/config", map[string]any{"deletion_allowed": true})
	must(t, err)
	_, err = c.Logical().Delete("transit/keys/rotatord")
	must(t, err)
	_, err = c.Logical().Write("transit/keys/rotatord", map[string]any{})
	must(t, err)
	s.d.Launch()
	if code := s.d.Exit(); code == 0 {
		t.Error("a start without the seal key succeeded")
	}
	if _, errs, code := s.d.Command("seal", "abandon", "-c", s.d.ConfigPath); code != 3 {
		t.Errorf("seal abandon without --yes exits with %d: %s", code, errs)
	}
	if out, errs, code := s.d.Command("seal", "abandon", "--yes", "-c", s.d.ConfigPath); code != 0 || !strings.Contains(out, "is given up") {
		t.Fatalf("seal abandon exits with %d: %s%s", code, out, errs)
	}
	free()
	s.d.Start()
	s.done()
	must(t, s.provider.Use(t.Context(), s.delivered()))
}
