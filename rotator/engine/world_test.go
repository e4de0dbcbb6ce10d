package engine_test

import (
	"context"
	"errors"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"

	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/rotator/engine"
	"github.com/rotatord/rotatord/rotator/journal"
	"github.com/rotatord/rotatord/rotator/rotatortest"
	"github.com/rotatord/rotatord/rotator/seal"
)

const (
	day  = 24 * time.Hour
	user = "7"
)

// world is everything that outlives a daemon: the provider, the sinks, the journal's file and the configuration.
type world struct {
	t        *testing.T
	provider *rotatortest.Provider
	disables bool
	capable  *rotatortest.Capable   // if set, what the daemon gets in place of provider, which it wraps
	declared []rotator.DeclaredUser // service users that must exist
	sinks    map[string]*rotatortest.Sink
	path     string
	sealer   *seal.Sealer
	policies []*rotator.Policy
	setup    engine.Setup
	loud     bool
	log      *zap.Logger // in place of silence
	observer engine.Observer
	clock    rotator.Clock
	look     time.Duration // rarer than in production: most of a test of many days is looks that find nothing
	// outer, if set, is what the daemon gets in place of the provider or a sink.
	outerProvider func(rotator.Provider) rotator.Provider
	outerSink     func(name string, s rotator.Sink) rotator.Sink
}

// newWorld has one service user with one key, "deploy", that became due ten days ago under a policy with two sinks.
func newWorld(t *testing.T) *world {
	t.Helper()
	sealer, err := seal.New([]byte(strings.Repeat("k", 32)))
	if err != nil {
		t.Fatal(err)
	}
	scan, err := rotator.ParseSchedule("*/15 * * * *", "")
	if err != nil {
		t.Fatal(err)
	}
	w := &world{
		t: t, look: time.Minute, provider: rotatortest.NewProvider(), path: filepath.Join(t.TempDir(), "rotatord.db"), sealer: sealer,
		sinks: map[string]*rotatortest.Sink{"vault": rotatortest.NewSink(), "disk": rotatortest.NewSink()},
		policies: []*rotator.Policy{{
			Name: "ci", RenewBefore: 30 * day, MaxAge: 90 * day, Grace: time.Hour, Idle: 10 * time.Minute, Soak: time.Hour,
			Sinks: []string{"vault", "disk"},
		}},
		setup: engine.Setup{
			Scan: scan, Cap: rotator.CapLimits{MaxShare: 0.2, AlwaysAllowed: 10}, Concurrent: 4, HaltAfter: 5,
			Retry: engine.Backoff{Base: 2 * time.Second, Max: 10 * time.Minute},
		},
	}
	w.provider.AddUser(user, "ci-build")
	w.provider.AddKey(user, "deploy", time.Now().Add(-70*day))
	return w
}

// slow lets months pass quickly: the loops look at the clock rarely.
func (w *world) slow() {
	w.look = time.Hour
	w.setup.Scan, _ = rotator.ParseSchedule("0 */6 * * *", "")
}

// unhurried lets days pass quickly: the loops look at the clock every few minutes, the provider is scanned as ever.
func (w *world) unhurried() { w.look = 5 * time.Minute }

// life is one run of the daemon.
type life struct {
	w      *world
	engine *engine.Engine
	setup  engine.Setup
	store  *journal.Store
	cancel context.CancelFunc
	done   chan error
}

// start begins a life; crash may be nil.
func (w *world) start(crash *rotatortest.Crash) *life { return w.begin(crash, nil) }

// startWith begins a life on a store that was wrapped.
func (w *world) startWith(wrap func(rotator.Store) rotator.Store) *life { return w.begin(nil, wrap) }

func (w *world) begin(crash *rotatortest.Crash, wrap func(rotator.Store) rotator.Store) *life {
	w.t.Helper()
	store, err := journal.Open(w.t.Context(), w.path, journal.Options{Clock: w.clock})
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(w.t.Context())
	log := zap.NewNop()
	if w.log != nil {
		log = w.log
	}
	if w.loud {
		log = zaptest.NewLogger(w.t)
	}
	l := &life{w: w, store: store, cancel: cancel, done: make(chan error, 1)}
	s := w.setup
	s.Policies, s.Sinks = w.policies, map[string]rotator.Sink{}
	var asStore rotator.Store = store
	var p rotator.Provider = w.provider
	switch {
	case w.capable != nil:
		p = w.capable
	case w.disables:
		p = rotatortest.Disabling{Provider: w.provider}
	}
	for name, sink := range w.sinks {
		s.Sinks[name] = sink
		if w.outerSink != nil {
			s.Sinks[name] = w.outerSink(name, sink)
		}
	}
	if w.outerProvider != nil {
		p = w.outerProvider(p)
	}
	if crash != nil {
		crash.OnCrash = cancel
		asStore = crash.Store(store)
		for name, sink := range w.sinks {
			s.Sinks[name] = crash.Sink(sink)
		}
		switch {
		case w.capable != nil:
			p = crash.Capable(w.capable)
		case w.disables:
			p = crash.Disabling(rotatortest.Disabling{Provider: w.provider})
		default:
			p = crash.Provider(w.provider)
		}
	}
	if wrap != nil {
		asStore = wrap(asStore)
	}
	s.Accounts = []engine.Account{{Name: "cc", Provider: p, MaxKeys: 2, Declared: w.declared}}
	l.setup = s
	l.engine = engine.New(engine.Options{Store: asStore, Sealer: w.sealer, Log: log, Drain: time.Second, Look: w.look, Clock: w.clock, Observer: w.observer}, &s)
	go func() { l.done <- l.engine.Run(ctx) }()
	return l
}

// reload puts a changed configuration in force. change gets a copy.
func (l *life) reload(change func(s *engine.Setup)) {
	l.w.t.Helper()
	s := l.setup
	s.Sinks = maps.Clone(s.Sinks)
	change(&s)
	l.setup = s
	if err := l.engine.Apply(l.w.t.Context(), &s); err != nil {
		l.w.t.Fatal(err)
	}
}

// stop ends the life and waits until nothing of it moves.
func (l *life) stop() {
	l.w.t.Helper()
	l.cancel()
	err := <-l.done
	if err != nil && !errors.Is(err, rotatortest.ErrCrashed) {
		l.w.t.Errorf("Run: %v", err)
	}
	if err := l.store.Close(); err != nil {
		l.w.t.Errorf("closing the store: %v", err)
	}
}

// lives runs one life for a span of time.
func (w *world) lives(d time.Duration) {
	l := w.start(nil)
	pass(d)
	l.stop()
}

// pass lets the fake clock run.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// only returns the single rotation that there is, open or ended.
func (l *life) only() rotator.Rotation {
	l.w.t.Helper()
	rs := l.rotations()
	if len(rs) != 1 {
		l.w.t.Fatalf("%d rotations, want 1: %+v", len(rs), rs)
	}
	return rs[0]
}

func (l *life) rotations() []rotator.Rotation {
	l.w.t.Helper()
	var all []rotator.Rotation
	for _, final := range []bool{false, true} {
		rs, err := l.store.Rotations(l.w.t.Context(), final, 1000)
		if err != nil {
			l.w.t.Fatal(err)
		}
		all = append(all, rs...)
	}
	return all
}

// wantActive checks which keys the provider accepts.
func (w *world) wantActive(names ...string) {
	w.t.Helper()
	if got := w.provider.Active(user); !slices.Equal(got, names) {
		w.t.Errorf("active keys %v, want %v", got, names)
	}
}

// wantRotated checks the one good end: a single active key, made by us, that every sink holds.
func (w *world) wantRotated() {
	w.t.Helper()
	active := w.provider.Active(user)
	if len(active) != 1 || !strings.HasPrefix(active[0], "deploy-r") {
		w.t.Errorf("active keys %v, want one of ours", active)
	}
	for name, sink := range w.sinks {
		items := sink.Items()
		if len(items) != 1 {
			w.t.Errorf("sink %s holds %d items, want 1", name, len(items))
		}
		for where, item := range items {
			if !w.provider.Accepts(item.Secret) {
				w.t.Errorf("sink %s: the key at %s is refused", name, where)
			}
		}
	}
}

// consume is a consumer that reads a sink every minute and uses what it finds. It fails the test at the first refusal:
// guarantee G1 as the world sees it.
func (w *world) consume(ctx context.Context) {
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for name, sink := range w.sinks {
			for where, item := range sink.Items() {
				if _, err := w.provider.Use(item.Secret); err != nil {
					w.t.Errorf("G1 broken: the key in sink %s at %s was refused: %v", name, where, err)
				}
			}
		}
	}
}
