package e2e

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rotatord/rotatord/test/daemon"
)

// event is something that the daemon does to the world: a request that arrives, or one that was carried out and whose answer is
// on its way.
type event struct {
	name string
	done bool
}

// moment is when the daemon is killed.
type moment struct {
	// at is the event; empty for a moment in time alone. nth counts such events from the start of the process.
	at  event
	nth int
	// after is how long after the event, or after the start, it dies.
	after time.Duration
	// hold keeps the event from going on until the daemon is dead: what was asked for happens all the same. With late it
	// happens only that long after the next start.
	hold bool
	late time.Duration
}

func (m moment) String() string {
	switch {
	case m.at.name == "":
		return "a time after the start"
	case m.at.done:
		return m.at.name + ", carried out"
	default:
		return m.at.name + ", arriving"
	}
}

// drawMoment draws when to die. A third of the moments is not bound to an event: they fall into the start, into the time
// between steps and into the file sink's work.
func drawMoment(r *rand.Rand, requests []string) moment {
	if r.IntN(3) == 0 {
		return moment{after: time.Duration(r.Int64N(int64([]time.Duration{40 * time.Millisecond, time.Second}[r.IntN(2)])))}
	}
	m := moment{at: event{requests[r.IntN(len(requests))], r.IntN(2) == 0}, nth: 1 + r.IntN(2)}
	switch r.IntN(3) {
	case 0:
		m.hold = true
	case 1:
		m.hold, m.late = true, time.Duration(r.Int64N(int64(300*time.Millisecond)))
	default:
		m.after = time.Duration(r.Int64N(int64(6 * time.Millisecond)))
	}
	return m
}

// killer waits for the moment. Requests come to it from the emulator and from the front before Vault.
type killer struct {
	f        *fleet
	inFlight atomic.Int64

	mu      sync.Mutex
	moment  *moment
	count   int
	fired   chan struct{}
	release chan struct{}
}

// killer stands in the way of the daemon's requests.
func (f *fleet) killer() *killer {
	f.t.Helper()
	k := &killer{f: f}
	f.provider.Watch(k.provider)
	vault := newFront(f.t, f.vault.Address)
	vault.set(k.vault)
	f.vaultURL = vault.URL
	return k
}

// arm sets the next moment. fired is closed when it has come, and who is held goes on once release is closed.
func (k *killer) arm(m moment) (fired <-chan struct{}, release chan struct{}) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.moment, k.count = &m, 0
	k.fired, k.release = make(chan struct{}), make(chan struct{})
	return k.fired, k.release
}

// disarm makes events go by.
func (k *killer) disarm() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.moment = nil
}

func (k *killer) see(e event) {
	k.mu.Lock()
	m, release := k.moment, k.release
	if m == nil || m.at != e {
		k.mu.Unlock()
		return
	}
	if k.count++; k.count != m.nth {
		k.mu.Unlock()
		return
	}
	k.moment = nil
	close(k.fired)
	k.mu.Unlock()
	if m.hold {
		<-release
	}
}

// provider is for [daemon.Emulator.Watch].
func (k *killer) provider(c daemon.Call) {
	if !c.Done {
		k.inFlight.Add(1)
	} else {
		defer k.inFlight.Add(-1)
	}
	if name := k.f.provider.Request(c.Method, c.Path); name != "" {
		k.see(event{name, c.Done})
	}
}

// vault is a [rule] for the front.
func (k *killer) vault(w http.ResponseWriter, r *http.Request, forward http.Handler) {
	k.inFlight.Add(1)
	defer k.inFlight.Add(-1)
	name := vaultRequest(r.Method, r.URL.Path)
	k.see(event{name, false})
	forward.ServeHTTP(w, r)
	k.see(event{name, true})
}

func vaultRequest(method, path string) string {
	switch {
	case method == http.MethodGet && strings.HasPrefix(path, "/v1/secret/data/"):
		return "vault read"
	case strings.HasPrefix(path, "/v1/secret/data/"):
		return "vault write"
	case strings.HasPrefix(path, "/v1/secret/metadata/"):
		return "vault metadata"
	default:
		return "vault other"
	}
}

// settled is nil when no request is being carried out.
func (k *killer) settled() error {
	if n := k.inFlight.Load(); n != 0 {
		return fmt.Errorf("%d requests are still being carried out", n)
	}
	return nil
}
