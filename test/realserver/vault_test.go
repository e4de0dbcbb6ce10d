package realserver_test

import (
	"net/http"
	"testing"

	"github.com/hashicorp/vault/api"
	"github.com/rotatord/rotatord/test/realserver"
)

func TestVaultInMemory(t *testing.T) {
	v := realserver.Vault(t)
	if _, err := v.Client().KVv2("secret").Put(t.Context(), "x", map[string]any{"a": "b"}); err != nil {
		t.Fatal(err)
	}
	v.Restart()
	if _, err := v.Client().KVv2("secret").Get(t.Context(), "x"); err == nil {
		t.Error("a development server kept its data over a restart")
	}
}

func TestVaultPersistent(t *testing.T) {
	v := realserver.Vault(t, realserver.Persistent())
	if err := v.Client().Sys().Mount("kv", &api.MountInput{Type: "kv"}); err != nil {
		t.Fatal(err)
	}
	if err := v.Client().KVv1("kv").Put(t.Context(), "x", map[string]any{"a": "b"}); err != nil {
		t.Fatal(err)
	}
	v.Seal()
	health, err := v.Client().Sys().Health()
	if err != nil || !health.Sealed {
		t.Fatalf("after Seal the health is %+v, %v", health, err)
	}
	v.Unseal()
	v.Restart()
	if got, err := v.Client().KVv1("kv").Get(t.Context(), "x"); err != nil || got.Data["a"] != "b" {
		t.Errorf("after a restart there is %v, %v", got, err)
	}
}

func TestVaultWithTLS(t *testing.T) {
	v := realserver.Vault(t, realserver.WithTLS())
	if _, err := v.Client().Auth().Token().LookupSelf(); err != nil {
		t.Fatal(err)
	}
	bare := &http.Client{Transport: &http.Transport{}}
	if answer, err := bare.Get(v.Address + "/v1/sys/health"); err == nil {
		_ = answer.Body.Close()
		t.Error("a client that trusts nothing and shows nothing was served")
	}
}
