package world

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"sync"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/rotatord/rotatord/emulator"
	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/rotator/engine"
	"github.com/rotatord/rotatord/rotator/journal"
)

// life is one run of the daemon, from its start to its stop or its death.
type life struct {
	w         *World
	slot      int
	name      string
	engine    *engine.Engine
	store     *journal.Store
	shut      func() error // closes what of the store is its own
	log       *printed
	began     time.Time
	cancel    context.CancelFunc
	ended     chan struct{} // closed when Run has returned
	err       error         // of Run, once it has
	confirmed chan struct{} // a new key is in its places, of which a hook will tell
	hooked    chan struct{} // closed when the hooks' runner has returned
	died      chan struct{} // closed at a crash
	killed    chan struct{} // closed when it is dead, by a crash or by being buried

	mu           sync.Mutex
	dead         bool
	fatal        int // points left until the crash; 0 for none ordered
	stalls       int // and until it stands still for stallFor
	stallFor     time.Duration
	stalledUntil time.Time
	cutUntil     time.Time
}

// point is passed before and after each journal write and each effect. From the crash on nothing has an effect any more.
func (l *life) point(where string) error {
	_, err := l.pass(where)
	return err
}

// pass is point, and reports whether the daemon stood still there.
func (l *life) pass(where string) (stood bool, _ error) {
	l.mayStall(where)
	stood = l.standStill()
	return stood, l.mayDie(where)
}

func (l *life) mayDie(where string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.dead {
		return errCrashed
	}
	if l.fatal == 0 {
		return nil
	}
	if l.fatal--; l.fatal > 0 {
		return nil
	}
	l.dead = true
	l.w.happened(string(Crash))
	l.w.tell("crash", "%s dies %s", l.called(), where)
	l.cancel()
	close(l.died)
	close(l.killed)
	return errCrashed
}

func (l *life) mayStall(where string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.dead || l.stalls == 0 {
		return
	}
	if l.stalls--; l.stalls > 0 {
		return
	}
	l.stalledUntil = time.Now().Add(l.stallFor)
	l.w.oracle.Stood(l.stalledUntil.Add(l.w.clockAhead()))
	l.w.happened(string(Stall))
	l.w.tell("world", "%s stands still for %s %s", l.called(), l.stallFor, where)
}

// called is how a story calls the daemon.
func (l *life) called() string {
	if l.w.replicated() {
		return "replica " + l.name
	}
	return "the daemon"
}

// kill ends a daemon that would not stop by itself.
func (l *life) kill() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.dead {
		l.dead = true
		close(l.killed)
	}
}

// dieAt orders a crash at the nth point from now.
func (l *life) dieAt(nth int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.dead && l.fatal == 0 {
		l.fatal = max(1, nth)
	}
}

// drain is how long a stop waits for calls in flight.
const drain = time.Second

// start begins a life in a slot, on the journal that is there.
func (w *World) start(slot int) error {
	opened, shut := w.shared, func() error { return nil }
	if !w.replicated() {
		var err error
		if opened, err = journal.Open(context.Background(), w.path, journal.Options{WipeAfter: w.wipeAfter(), Clock: w.clockOf(slot)}); err != nil {
			return err
		}
		shut = opened.Close
	}
	ctx, cancel := context.WithCancel(context.Background())
	l := &life{w: w, slot: slot, name: w.replicaName(slot), store: opened, shut: shut, began: time.Now(), cancel: cancel, ended: make(chan struct{}),
		died: make(chan struct{}), killed: make(chan struct{}), hooked: make(chan struct{}), confirmed: make(chan struct{}, 1)}
	log := zap.NewNop()
	if !w.s.Quick {
		l.log = &printed{w: w}
		log = zap.New(zapcore.NewCore(zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()), zapcore.AddSync(l.log), zap.DebugLevel))
	}
	setup, err := w.setup(l)
	if err != nil {
		cancel()
		_ = shut()
		return err
	}
	lines := &store{opened, l}
	o := engine.Options{Store: lines, Sealer: w.sealer, Log: log, Drain: drain, Look: w.s.Look, Clock: w.clockOf(slot)}
	if w.replicated() {
		o.Leases, o.Owner, o.LeaseTime = &leases{opened, l}, l.name, leaseTime
	}
	l.engine = engine.New(o, setup)
	w.lives[slot] = l
	w.mu.Lock()
	w.confirmed[slot] = l.confirmed
	w.mu.Unlock()
	runner := w.runner(l, lines)
	w.tell("daemon", "%s starts", l.called())
	go func() {
		l.err = l.engine.Run(ctx)
		close(l.ended)
	}()
	go func() {
		if runner != nil {
			runner(ctx)
		}
		close(l.hooked)
	}()
	return nil
}

// wipeAfter is how long the journal is idle before it wipes: a fleet's forecast has many idle moments and no use for that.
func (w *World) wipeAfter() time.Duration {
	if w.s.Quick {
		return 30 * day1
	}
	return 0
}

// bury waits until nothing of the life moves, and closes its journal.
func (w *World) bury(l *life) {
	w.lives[l.slot] = nil
	w.mu.Lock()
	w.confirmed[l.slot] = nil
	w.mu.Unlock()
	l.cancel()
	if !l.answers() {
		l.kill()
	}
	<-l.ended
	l.kill()
	<-l.hooked
	if l.err != nil {
		w.tell("daemon", "%s stops: %v", l.called(), l.err)
	}
	if err := l.shut(); err != nil {
		w.fail(err)
	}
	if l.log != nil {
		l.log.flush()
	}
	if l.log != nil && !w.replicated() {
		w.searchFile(w.path)
	}
}

// searchFile looks for secrets in a file that the daemon wrote.
func (w *World) searchFile(path string) {
	text, err := os.ReadFile(path) //nolint:gosec // the journal's own
	if err != nil {
		w.fail(err)
		return
	}
	w.oracle.Printed("the journal's file", text, w.daemonNow())
}

// setup is the configuration in force, with the life's own ways to accounts and sinks.
func (w *World) setup(l *life) (*engine.Setup, error) {
	scan, err := rotator.ParseSchedule(w.s.Scan, "")
	if err != nil {
		return nil, err
	}
	s := &engine.Setup{Scan: scan, Cap: w.s.Limits, Concurrent: max(1, w.concurrent()), HaltAfter: w.s.HaltAfter, Freezes: w.freezes,
		Retry: engine.Backoff{Base: 5 * time.Second, Max: 15 * time.Minute}, Sinks: map[string]rotator.Sink{}}
	for _, a := range w.accounts {
		p, err := a.sys.provider(&network{l: l, acc: a, next: emulator.InMemory(a.sys)}, w.clockOf(l.slot))
		if err != nil {
			return nil, err
		}
		s.Accounts = append(s.Accounts, engine.Account{Name: a.spec.Name, Provider: wrap(p, a), MaxKeys: a.spec.MaxKeys, Declared: w.declarations(a)})
	}
	for _, k := range w.sinks {
		s.Sinks[k.spec.Name] = &connected{k, l}
	}
	for i := range w.s.Drills {
		s.Drills = append(s.Drills, w.s.Drills[i].DrillSchedule)
	}
	for i := range w.policies {
		p := w.policies[i].Policy
		s.Policies = append(s.Policies, &p)
	}
	return s, nil
}

func (w *World) concurrent() int {
	if w.s.Concurrent == 0 {
		return 4
	}
	return w.s.Concurrent
}

// printed is where the daemon logs to: searched for secrets, piece by piece.
type printed struct {
	w   *World
	mu  sync.Mutex
	buf bytes.Buffer
}

// panicked is what the daemon logs of a panic that it has caught.
const panicked = "a defect of rotatord"

// piece is how much of the log is searched at a time.
const piece = 64 << 10

// Write implements io.Writer.
func (p *printed) Write(b []byte) (int, error) {
	if bytes.Contains(b, []byte(panicked)) {
		p.w.fail(fmt.Errorf("the daemon's code panicked: %s", b))
	}
	p.mu.Lock()
	full := p.buf.Len()+len(b) > piece
	n, err := p.buf.Write(b)
	p.mu.Unlock()
	if full {
		p.flush()
	}
	return n, err
}

func (p *printed) flush() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.w.oracle.Printed("the log", p.buf.Bytes(), p.w.daemonNow())
	p.buf.Reset()
}
