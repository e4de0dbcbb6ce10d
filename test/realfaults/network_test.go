package realfaults

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"

	"github.com/hashicorp/vault/api"

	"github.com/rotatord/rotatord/test/daemon"
	"github.com/rotatord/rotatord/test/realserver"
)

// cut is a way in which a network fails.
type cut struct {
	name string
	cut  func(w *wire, e *end, host int)
	mend func(w *wire, e *end, host int)
}

var cuts = []cut{
	{"requests vanish", func(w *wire, _ *end, host int) { w.loseRequests(host) }, func(w *wire, _ *end, host int) { w.mend(host) }},
	{"answers vanish", func(w *wire, _ *end, _ int) { w.loseAnswers() }, func(w *wire, _ *end, host int) { w.mend(host) }},
	{"connections are reset", func(_ *wire, e *end, _ int) { e.reset() }, func(_ *wire, e *end, _ int) { e.up() }},
	// The other side forgets its connections while nothing gets through: the daemon's are half open when it does again.
	{"connections are left half open", func(w *wire, e *end, host int) {
		w.loseRequests(host)
		w.loseAnswers()
		e.reset()
	}, func(w *wire, e *end, host int) {
		e.up()
		w.mend(host)
	}},
}

// onWire prepares a site whose daemon reaches its provider over a wire.
func onWire(t *testing.T, s setting) (x *site, w *wire, e *end) {
	t.Helper()
	w = newWire(t)
	s.account = fmt.Sprintf("propagation: 1s, timeout: 2s, rates: [{requests: 100000, per: 1s}], ca_file: %q", w.issuer.File)
	s.server = fmt.Sprintf("server: {listen: \"%s:0\"}\n", w.at(serverHost))
	s.config.Under = w.under()
	x = prepare(t, s, func(em *daemon.Emulator, s *setting) { e, s.root = w.serve(providerHost, "provider.test", em.Root) })
	return x, w, e
}

// TestNetworkCutToTheProvider cuts the way to the provider in each way while each call is under way. The daemon says so, and
// goes on by itself when the way is there again.
func TestNetworkCutToTheProvider(t *testing.T) {
	t.Parallel()
	for _, c := range cuts {
		for _, at := range []struct {
			request string
			after   bool
		}{{daemon.RequestMint, false}, {daemon.RequestMint, true}, {daemon.RequestCheck, false}, {daemon.RequestRevoke, false}, {daemon.RequestRevoke, true}} {
			t.Run(fmt.Sprintf("%s at %s after %v", c.name, at.request, at.after), func(t *testing.T) {
				t.Parallel()
				x, w, e := onWire(t, setting{})
				g := x.hold(at.request, at.after)
				x.begin()
				g.await(x)
				c.cut(w, e, providerHost)
				close(g.open)
				x.metric(is(0), "rotatord_provider_up", `provider="cc"`)
				if err := answers(x.d.URL() + "/-/ready"); err != nil {
					t.Errorf("without its provider: %v", err)
				}
				c.mend(w, e, providerHost)
				x.goodEnd(0)
				x.metric(is(1), "rotatord_provider_up", `provider="cc"`)
			})
		}
	}
}

// TestNetworkCutToVault cuts the way to a real Vault server before the delivery, and before it is read back.
func TestNetworkCutToVault(t *testing.T) {
	t.Parallel()
	v := realserver.Vault(t)
	for i, c := range cuts {
		for _, at := range []struct {
			request string
			trouble string
		}{{daemon.RequestCheck, "delivering"}, {"", "revoking"}} {
			name := fmt.Sprintf("%s while %s", c.name, at.trouble)
			folder := fmt.Sprintf("%d-%s", i, at.trouble)
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				throughVault(t, v, c, folder, at.request)
			})
		}
	}
}

func throughVault(t *testing.T, v *realserver.VaultServer, c cut, folder, request string) {
	var way *end
	s := setting{sink: "vault, disk", timing: "max_age: 1h, renew_before: 50m, grace: 4s, idle: 0s"}
	s.config.Files = map[string]string{"vault.token": v.RootToken}
	w := newWire(t)
	var vault string
	way, vault = w.serve(vaultHost, "vault.test", v.Address)
	s.server = fmt.Sprintf("server: {listen: \"%s:0\"}\n", w.at(serverHost))
	s.account = fmt.Sprintf("propagation: 1s, timeout: 2s, rates: [{requests: 100000, per: 1s}], ca_file: %q", w.issuer.File)
	s.sinks = fmt.Sprintf("  - {name: vault, type: vault, address: %q, ca_file: %q, auth: {token_file: $DIR/vault.token}, path: \"%s/{{.ServiceUser}}\", timeout: 1s}\n", vault, w.issuer.File, folder)
	s.config.Under = w.under()
	x := prepare(t, s, func(em *daemon.Emulator, s *setting) { _, s.root = w.serve(providerHost, "provider.test", em.Root) })
	client := v.Client()
	for _, s := range x.services {
		x.consumers = append(x.consumers, x.e.Consume(t, s.Name+" by vault", s.Secret, fromVault(client, folder+"/"+s.Name), x.pace))
	}
	if request != "" {
		g := x.hold(request, true)
		x.begin()
		g.await(x)
		c.cut(w, way, vaultHost)
		close(g.open)
	} else {
		x.begin()
		x.metric(is(1), "rotatord_open_rotations", `provider="cc"`, `stage="grace"`)
		c.cut(w, way, vaultHost)
	}
	x.metric(is(0), "rotatord_sink_up", `sink="vault"`)
	if k, _ := x.e.Key(x.services[0].KeyID); k.Status != daemon.KeyActive {
		t.Errorf("the old key is %s, and Vault cannot be read", k.Status)
	}
	c.mend(w, way, vaultHost)
	x.goodEnd(1)
}

// fromVault reads as a program does that keeps what it has while nothing is there.
func fromVault(client *api.Client, path string) daemon.Reader {
	return func(ctx context.Context) (string, error) {
		entry, err := client.KVv2("secret").Get(ctx, path)
		if errors.Is(err, api.ErrSecretNotFound) {
			return "", os.ErrNotExist
		}
		if err != nil {
			return "", err
		}
		secret, ok := entry.Data["api_key"].(string)
		return secret, want(ok, "the entry holds no api_key")
	}
}
