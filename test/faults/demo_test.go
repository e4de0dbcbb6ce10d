package faults

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/rotatord/rotatord/test/daemon"
)

// TestDemoWithVault plays the demo as a person does who has a Vault server.
func TestDemoWithVault(t *testing.T) {
	t.Parallel()
	v, client := development(t)
	cmd := exec.CommandContext(t.Context(), daemon.Binary(t), "demo", "--for", "40s", "--vault-address", v.Address)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "VAULT_TOKEN=" + v.RootToken, "TMPDIR=" + t.TempDir()}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("the demo ends with %v:\n%s", err, out)
	}
	for _, said := range []string{"read back from disk and vault: the fingerprint matches", "refused: 0.", "VERDICT: keys were replaced"} {
		if !strings.Contains(string(out), said) {
			t.Errorf("it does not say %q:\n%s", said, out)
		}
	}
	for _, name := range []string{"certcentral/ci-build", "certcentral/web-shop", "digicert-one/signing", "dataspot/catalogue"} {
		entry, err := client.KVv2("secret").Get(t.Context(), "rotatord-demo/"+name)
		if err != nil {
			t.Errorf("%s in Vault: %v", name, err)
			continue
		}
		if secret, _ := entry.Data["api_key"].(string); secret == "" || strings.Contains(string(out), secret) {
			t.Errorf("%s: Vault holds no secret, or the demo printed it", name)
		}
	}
	if strings.Contains(string(out), v.RootToken) {
		t.Error("the demo printed Vault's token")
	}
}
