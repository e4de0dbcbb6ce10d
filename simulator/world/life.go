package world

import (
	"bytes"
	"context"
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
	w      *World
	engine *engine.Engine
	store  *journal.Store
	log    *printed
	began  time.Time
	cancel context.CancelFunc
	ended  chan struct{} // closed when Run has returned
	err    error         // of Run, once it has
	died   chan struct{} // closed at a crash

	mu    sync.Mutex
	dead  bool
	fatal int // points left until the crash; 0 for none ordered
}

// point is passed before and after each journal write and each effect. From the crash on nothing has an effect any more.
func (l *life) point(where string) error {
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
	l.w.tell("crash", "the daemon dies %s", where)
	l.cancel()
	close(l.died)
	return errCrashed
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

// start begins a life on the journal that is there.
func (w *World) start() error {
	opened, err := journal.Open(context.Background(), w.path, journal.Options{})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	l := &life{w: w, store: opened, began: time.Now(), cancel: cancel, ended: make(chan struct{}), died: make(chan struct{})}
	log := zap.NewNop()
	if !w.s.Quick {
		l.log = &printed{w: w}
		log = zap.New(zapcore.NewCore(zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()), zapcore.AddSync(l.log), zap.DebugLevel))
	}
	setup, err := w.setup(l)
	if err != nil {
		cancel()
		_ = opened.Close()
		return err
	}
	l.engine = engine.New(engine.Options{Store: &store{opened, l}, Sealer: w.sealer, Log: log, Drain: drain, Look: w.s.Look}, setup)
	w.life = l
	w.tell("daemon", "starts")
	go func() {
		l.err = l.engine.Run(ctx)
		close(l.ended)
	}()
	return nil
}

// bury waits until nothing of the life moves, and closes its journal.
func (w *World) bury() {
	l := w.life
	w.life = nil
	l.cancel()
	<-l.ended
	if l.err != nil {
		w.tell("daemon", "stops: %v", l.err)
	}
	if err := l.store.Close(); err != nil {
		w.fail(err)
	}
	if l.log != nil {
		l.log.flush()
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
		p, err := a.sys.provider(&network{l: l, acc: a, next: emulator.InMemory(a.sys)})
		if err != nil {
			return nil, err
		}
		s.Accounts = append(s.Accounts, engine.Account{Name: a.spec.Name, Provider: wrap(p, a), MaxKeys: a.spec.MaxKeys})
	}
	for _, k := range w.sinks {
		s.Sinks[k.spec.Name] = &connected{k, l}
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

// piece is how much of the log is searched at a time.
const piece = 64 << 10

// Write implements io.Writer.
func (p *printed) Write(b []byte) (int, error) {
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
