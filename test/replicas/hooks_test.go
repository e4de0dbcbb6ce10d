package replicas

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/rotatord/rotatord/test/daemon"
)

// consumers is a webhook that counts, for each new key, by which calls it was told of it.
type consumers struct {
	// arrived has the first call, which is never answered.
	arrived, over chan struct{}

	mu    sync.Mutex
	calls map[string]int      // how often each call was made, by its name
	told  map[string][]string // the calls that were answered, by key
}

func (c *consumers) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	var e struct {
		ID   string
		Data struct{ Keys []struct{ ID string } }
	}
	if json.NewDecoder(r.Body).Decode(&e) != nil {
		return
	}
	c.mu.Lock()
	first := len(c.calls) == 0
	c.calls[e.ID]++
	if !first {
		for _, k := range e.Data.Keys {
			c.told[k.ID] = append(c.told[k.ID], e.ID)
		}
	}
	c.mu.Unlock()
	if first {
		close(c.arrived)
		select {
		case <-r.Context().Done():
		case <-c.over:
		}
	}
}

// TestOneReplicaCallsHooksAndAHandOverLosesNone kills the replica that makes the call of a required hook, in the middle of it. The other one
// makes the same call again, under the same name, and only then do the old keys go.
func TestOneReplicaCallsHooksAndAHandOverLosesNone(t *testing.T) {
	t.Parallel()
	c := &consumers{arrived: make(chan struct{}), over: make(chan struct{}), calls: map[string]int{}, told: map[string][]string{}}
	server := httptest.NewServer(c)
	t.Cleanup(func() { close(c.over); server.Close() })
	p := newPairWith(t, fmt.Sprintf("hooks: [{name: app, type: webhook, url: %q, debounce: 1s, timeout: 30s}]\n", server.URL), ", required_hooks: [app]")
	close(p.release)
	p.a.Start()
	select {
	case <-c.arrived:
	case <-time.After(2 * daemon.Patience):
		t.Fatal("no call came")
	}
	p.b.Start()
	for _, s := range p.services {
		if active := p.emulator.Active(s.UserID); len(active) == 1 && active[0].ID != s.KeyID {
			t.Errorf("the old key of %s went before its consumer was told", s.Name)
		}
	}
	p.a.Kill()
	p.awaitOwner(p.b)
	p.a.Start()
	p.awaitDone()
	p.verdict()
	c.mu.Lock()
	defer c.mu.Unlock()
	repeated := 0
	for call, n := range c.calls {
		if n > 2 {
			t.Errorf("the call %s was made %d times", call, n)
		}
		if n == 2 {
			repeated++
		}
	}
	if repeated != 1 {
		t.Errorf("%d calls were repeated, want the one that was cut off: %v", repeated, c.calls)
	}
	for key, calls := range c.told {
		if len(calls) != 1 {
			t.Errorf("the consumer of %s was told by the calls %v, want one", key, calls)
		}
	}
	if len(c.told) != services {
		t.Errorf("%d keys were told of, want %d", len(c.told), services)
	}
	p.a.Stop()
	p.b.Stop()
}
