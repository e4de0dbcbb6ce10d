package e2e

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"regexp"
	"sync"
	"testing"
	"time"

	"github.com/rotatord/rotatord/emulator"
	"github.com/rotatord/rotatord/test/daemon"
)

// portal is a service whose keys people make in a page that no API reaches: all that it answers is whether a key is good.
type portal struct {
	mu   sync.Mutex
	keys map[string]*daemon.Key
	down bool
	made int
}

func (p *portal) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	k, down := p.keys[r.Header.Get("X-Portal-Key")], p.down
	p.mu.Unlock()
	switch {
	case down:
		w.WriteHeader(http.StatusServiceUnavailable)
	case k == nil || k.Status != daemon.KeyActive:
		w.WriteHeader(http.StatusUnauthorized)
	}
}

// add makes a key, as a person does in the portal's page.
func (p *portal) add(user, name string) (secret string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.made++
	secret = "portal-" + rand.Text()
	p.keys[secret] = &daemon.Key{ID: fmt.Sprint(p.made), UserID: user, Name: name, Status: daemon.KeyActive, Created: time.Now()}
	return secret
}

// remove takes a key away, and goDown makes the portal answer nothing of use.
func (p *portal) remove(secret string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.keys[secret].Status = "removed"
}

func (p *portal) goDown(down bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down = down
}

// The portal as a [daemon.System].

func (p *portal) AdminHandler() http.Handler      { return http.NotFoundHandler() }
func (p *portal) BasePath() string                { return "" }
func (p *portal) ManagerSecret() string           { return "nobody-manages-the-portal" }
func (p *portal) Orders() *emulator.Faults        { return &emulator.Faults{} }
func (p *portal) Name() string                    { return "portal" }
func (p *portal) Consumer() (path, header string) { return "/me", "X-Portal-Key" }
func (p *portal) Request(_, path string) string   { return daemon.RequestCheck }
func (p *portal) Shown() *regexp.Regexp           { return regexp.MustCompile(`no key is ever shown`) }

func (p *portal) Options(root string) string {
	return fmt.Sprintf(`type: manual, probe: {url: %q, header: X-Portal-Key, timeout: 1s}, make: "Sign in at the portal as {{.User}} and make {{.KeyName}}; hand it over with {{.Supply}}.",
     remove: "Delete {{.KeyName}} of {{.User}} in the portal.", keys: [{user: bank, name: upload, created: 2026-01-01, owner: payments@example.com}]`, root+"/me")
}

func (p *portal) NewService(name, key string, _ time.Duration) (daemon.Service, error) {
	return daemon.Service{UserID: name, Name: name, Key: key, Secret: p.add(name, key)}, nil
}

func (p *portal) Keys(userID string) (keys []daemon.Key) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, k := range p.keys {
		if userID == "" || userID == k.UserID {
			keys = append(keys, *k)
		}
	}
	return keys
}

func (p *portal) KeyOfSecret(secret string) (daemon.Key, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	k, ok := p.keys[secret]
	if !ok {
		return daemon.Key{}, false
	}
	return *k, true
}

// TestWholeRotationByHand has a key that nothing but people can make or remove, and a probe that tells whether it works.
func TestWholeRotationByHand(t *testing.T) {
	t.Parallel()
	p := &portal{keys: map[string]*daemon.Key{}}
	f := newFleet(t, daemon.Serve(t, p))
	f.settings = "labels: {team: payments}"
	s := f.provider.AddService("bank", "upload", 0)
	f.services = []daemon.Service{s}
	f.prepare(f.config("json", `scan: {schedule: "@every 1s"}
policies:
  - {name: old, max_age: 90d, renew_before: 30d, grace: 1s, idle: 0s, jitter: 0%, sinks: [vault, disk]}
`))
	f.d.Start()
	consumers := f.consume(50 * time.Millisecond)
	f.awaitAsked("awaiting_supply", "Sign in at the portal as bank and make upload-r0001", "rotatord supply portal/bank/upload")
	f.refused(s, "portal-"+rand.Text())
	key := p.add("bank", "upload-r0001")
	f.provider.Learn(key)
	consumers.pause()
	p.goDown(true)
	if said := f.refused(s, key); said == "" {
		t.Error("nothing is said of a probe that proves nothing")
	}
	p.goDown(false)
	consumers = f.consume(50 * time.Millisecond)
	f.supply(s, key, time.Time{})
	f.awaitAsked("awaiting_removal", "Delete upload of bank in the portal.")
	f.hold(s, key)
	consumers.verdict(t, 2)
	p.remove(s.Secret)
	f.removed(s)
	f.awaitDone(1)
	f.rests()
	f.hold(s, key)
	f.d.Stop()
}
