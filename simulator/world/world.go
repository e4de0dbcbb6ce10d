package world

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/rotator/journal"
	"github.com/rotatord/rotatord/rotator/seal"
	"github.com/rotatord/rotatord/simulator/oracle"
)

// World is everything that outlives a daemon.
type World struct {
	s        *Scenario
	chance   *chance
	oracle   *oracle.Oracle
	sealer   *seal.Sealer
	path     string
	accounts []*account
	sinks    []*sink
	creds    []*credential
	births   []*birth
	shifts   shifts
	byName   map[string]*account
	policies []Policy
	freezes  []rotator.Freeze
	// base is by how much the world's clock is ahead of the bubble's, which changes only between two of them; ahead is by how much that of
	// the daemon is, which somebody sets.
	base  time.Duration
	ahead atomic.Int64
	// apart is by how much the clock of the replica in a slot is ahead of the others'.
	apart []atomic.Int64
	// lives are the daemons that run, one in each slot; nil while one is down.
	lives []*life
	// confirmed hear, of each of them, that a new key is in its places, of which a hook will tell.
	confirmed []chan struct{}
	awake     []time.Time // when a dead one comes back; zero while it lives
	born      int         // how many there have been
	// shared is the journal of replicas.
	shared *journal.Store
	// given says whether the run was given up. It is asked and not waited for: a fake clock stands still while something waits for a
	// channel of the real world.
	given func() error
	// needy counts what was written to a journal that may want a person; caredFor is how much that was when the on-call last found
	// nothing to do.
	needy     atomic.Int64
	caredFor  int64
	mu        sync.Mutex
	terms     map[string]*term  // by account: who acts there, among replicas
	tally     map[string]int    // how often what happened
	ids       map[string]string // secret → the oracle's name of its key
	story     []Line
	fullUntil time.Time
	deafUntil time.Time // until then nobody listens to hooks
	broken    error
}

// Outcome is what became of a run.
type Outcome struct {
	// Breach is the first guarantee that was broken; nil for none.
	Breach *oracle.Breach
	// Story are the last things that happened, up to the breach. It is empty for quick runs.
	Story []Line
	// Struck names the faults that struck, for [Scenario.Muted].
	Struck []string
	// Accounts says what was asked of each account, in the order of the scenario.
	Accounts []Load
	// CredentialYears is how much was simulated.
	CredentialYears float64
	// Happened counts what struck and what was done: each [Fault], each [Kind], and what came of them.
	Happened map[string]int
}

// Load is what was asked of an account.
type Load struct {
	Name string
	// Calls in all, and by minute of the world (Unix time through 60).
	Calls    int
	ByMinute map[int64]int
}

// garbage is how much of the heap of a small world, one of at most smallWorld credentials, may be garbage, in percent, before it is
// collected: such a world keeps little and makes much. GOGC in the environment wins.
const (
	smallWorld = 10_000
	garbage    = 400
)

// Run plays a scenario. The error is about the simulator itself, not about what it found; when ctx ends before the scenario does, it is
// ctx's.
func Run(ctx context.Context, s *Scenario) (_ *Outcome, err error) {
	if len(s.Credentials) <= smallWorld && os.Getenv("GOGC") == "" {
		debug.SetGCPercent(garbage)
	}
	dir, err := scratch()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	sealer, err := seal.New([]byte(strings.Repeat("k", 32)))
	if err != nil {
		return nil, err
	}
	w := &World{s: s, given: ctx.Err, chance: newChance(s), sealer: sealer, path: filepath.Join(dir, "rotatord.db"), byName: map[string]*account{}, ids: map[string]string{},
		lives: make([]*life, max(1, s.Replicas)), awake: make([]time.Time, max(1, s.Replicas)), confirmed: make([]chan struct{}, max(1, s.Replicas)), apart: make([]atomic.Int64, max(1, s.Replicas)), tally: map[string]int{},
		policies: s.Policies, freezes: s.Freezes}
	for _, e := range w.eras() {
		bubble(func() { w.era(e) })
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if w.broken != nil || w.oracle.Breach() != nil {
			break
		}
	}
	return w.outcome(), w.broken
}

// bubble runs f on a fake clock that begins in the year 2000. The package testing wants a test for that; one that never fails need
// not be registered, so that this works in the ordinary binary too.
func bubble(f func()) {
	synctest.Test(new(testing.T), func(*testing.T) { f() })
}

// scratch is a folder for the journal, in memory where there is such a file system: what is simulated is not the disk.
func scratch() (string, error) {
	for _, root := range []string{"/dev/shm", ""} {
		if dir, err := os.MkdirTemp(root, "rotatord-simulate-"); err == nil {
			return dir, nil
		}
	}
	return "", errors.New("there is no folder for the journals of the simulation; set TMPDIR to one that can be written to")
}

// era is a span in which the daemon's clock goes evenly. from and to are the world's time.
type era struct {
	from, to time.Time
	skew     time.Duration
	first    bool
	last     bool
}

// eras splits the run where the daemon's clock jumps: a fake clock only goes forward, but each bubble has one of its own.
func (w *World) eras() []era {
	end := w.s.Start.Add(w.s.Span)
	list := []era{{from: w.s.Start, to: end, first: true}}
	skew, jumps := time.Duration(0), 0
	next := func(at time.Duration) {
		from := w.s.Start.Add(at)
		list[len(list)-1].to = from
		list = append(list, era{from: from, to: end, skew: skew})
	}
	for _, i := range w.s.InOrder() {
		if i.At >= w.s.Span-w.s.Calm {
			break
		}
		switch i.Kind {
		case ClockJump:
			skew -= i.By
			jumps++
			next(i.At)
		case ClockSet:
			skew -= i.By
		default:
		}
	}
	if w.s.Calm > 0 && skew != 0 && jumps > 0 { // somebody sets the clock right; without a jump [World.calm] does
		skew = 0
		next(w.s.Span - w.s.Calm)
	}
	list[len(list)-1].last = true
	return list
}

// now is the world's time, daemonNow what the daemon takes for it, skew by how much the former is ahead.
func (w *World) now() time.Time            { return time.Now().Add(w.base) }
func (w *World) daemonNow() time.Time      { return w.clock().Now() }
func (w *World) skew() time.Duration       { return w.base - w.clockAhead() }
func (w *World) clockAhead() time.Duration { return time.Duration(w.ahead.Load()) }

// clockWrong reports whether the daemon's clock is so far off that it must not decide by it.
func (w *World) clockWrong() bool { return wrong(w.skew()) }

func wrong(off time.Duration) bool { return off.Abs() > 5*time.Minute }

// clock is what daemons go by, but for a replica whose own clock was set, and what their database does.
func (w *World) clock() rotator.Clock { return rotator.NewClock(w.clockAhead) }

// clockOf is what the daemon in a slot goes by.
func (w *World) clockOf(slot int) rotator.Clock {
	return rotator.NewClock(func() time.Duration { return w.clockAhead() + w.clockApart(slot) })
}

func (w *World) clockApart(slot int) time.Duration { return time.Duration(w.apart[slot].Load()) }

// setReplicaClock sets the clock of one replica while it runs.
func (w *World) setReplicaClock(slot int, by time.Duration) {
	if !w.replicated() {
		return
	}
	w.apart[slot].Add(int64(by))
	w.happened(string(ReplicaClock))
	w.tell("world", "somebody sets the clock of replica %s by %s, so that it is off by %s", letter(slot), by, w.clockApart(slot)-w.skew())
	w.oracle.ClocksApart()
}

// setClock sets the daemon's clock while it runs.
func (w *World) setClock(by time.Duration) {
	w.ahead.Add(int64(by))
	w.happened(string(ClockSet))
	w.tell("world", "somebody sets the daemon's clock by %s, so that it is off by %s", by, -w.skew())
	w.oracle.ClockSet(by, w.daemonNow())
	w.oracle.Skewed(w.clockWrong())
}

func (w *World) fail(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.broken = errors.Join(w.broken, err)
}

// era plays one era, inside a bubble.
func (w *World) era(e era) {
	time.Sleep(time.Until(e.from.Add(-e.skew)))
	set := w.skew() - e.skew
	w.base = e.skew
	w.ahead.Store(0)
	if e.first {
		if err := w.populate(); err != nil {
			w.fail(err)
			return
		}
	} else {
		w.happened(string(ClockJump))
		w.tell("daemon", "its clock is off by %s from now on", -e.skew)
	}
	w.oracle.ClockSet(set, w.daemonNow())
	w.oracle.Skewed(w.clockWrong())
	w.configured()
	for _, a := range w.accounts {
		a.mu.Lock()
		a.lastScan = time.Time{}
		a.mu.Unlock()
	}
	if err := w.startAll(); err != nil {
		w.fail(errors.Join(err, w.buryAll()))
		return
	}
	w.play(e)
	if e.last && w.oracle.Breach() == nil && w.given() == nil {
		w.judgeEnd()
	}
	if err := w.buryAll(); err != nil {
		w.fail(err)
	}
}

func (w *World) startAll() error {
	if err := w.openShared(); err != nil {
		return err
	}
	for slot := range w.lives {
		w.awake[slot] = time.Time{}
		if err := w.start(slot); err != nil {
			return err
		}
	}
	return nil
}

func (w *World) buryAll() error {
	for _, l := range w.lives {
		if l != nil {
			w.bury(l)
		}
	}
	return w.closeShared()
}

// populate makes accounts, sinks and credentials.
func (w *World) populate() error {
	rules := map[string]oracle.Account{}
	for _, spec := range w.s.Accounts {
		sys, err := newSystem(spec, w.now)
		if err != nil {
			return err
		}
		a := &account{w: w, spec: spec, sys: sys, seen: map[string]map[string]bool{}, calls: map[int64]int{}, failed: map[int64]int{}}
		for i := range spec.Strangers {
			id, err := sys.addUser(fmt.Sprintf("stranger-%d", i), "")
			if err != nil {
				return err
			}
			a.strangers = append(a.strangers, id)
		}
		w.accounts, w.byName[spec.Name] = append(w.accounts, a), a
		rules[spec.Name] = oracle.Account{MaxKeys: spec.MaxKeys, ReportsUse: spec.System == CertCentral, UseLag: spec.UsedLag,
			ListLag: spec.ListedAfter, Cap: w.capOf(len(w.accounts) - 1), Drill: w.drillAt(len(w.accounts) - 1)}
	}
	for _, spec := range w.s.Sinks {
		w.sinks = append(w.sinks, &sink{w: w, spec: spec, items: map[string]*item{}})
	}
	w.oracle = oracle.New(w, rules)
	for i := range w.s.Credentials {
		c := &w.s.Credentials[i]
		if c.Unborn {
			w.births = append(w.births, &birth{spec: c, acc: w.accounts[c.Account]})
			continue
		}
		if err := w.addCredential(c); err != nil {
			return err
		}
	}
	return nil
}

// capOf is how many rotations of an account may begin between two scans, counted from the configuration as a person would.
func (w *World) capOf(account int) int {
	n := 0
	for _, c := range w.s.Credentials {
		if c.Account == account {
			n += 2 // while a rotation is under way a credential has two keys
		}
	}
	return max(w.s.Limits.AlwaysAllowed, int(w.s.Limits.MaxShare*float64(n))+1)
}

// drillAt is what the calendar says of drills at an account; nil for nothing.
func (w *World) drillAt(account int) *oracle.Drill {
	for i := range w.s.Drills {
		if d := &w.s.Drills[i]; d.Account == account {
			return &oracle.Drill{Window: d.Plain, Limit: d.Limit}
		}
	}
	return nil
}

// Works implements oracle.Truth.
func (w *World) Works(key string) bool {
	a := w.byName[before(key)]
	if a == nil {
		return false
	}
	k, ok := a.find(key)
	return ok && k.works(w.now())
}

// Holds implements oracle.Truth.
func (w *World) Holds(p oracle.Place) (key string, spoiled bool) {
	for _, s := range w.sinks {
		if s.spec.Name != p.Sink {
			continue
		}
		i, ok := s.read(p.Location, w.now())
		if !ok {
			return "", false
		}
		return w.keyOf(i.secret), i.spoiled
	}
	return "", false
}

// happened counts what struck or was done.
func (w *World) happened(what string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tally[what]++
}

// keyOf is the oracle's name for the key that a secret belongs to; empty for none.
func (w *World) keyOf(secret string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.ids[secret]
}

// knows remembers whose secret it is, and has the oracle look out for it.
func (w *World) knows(secret, key string) {
	w.mu.Lock()
	w.ids[secret] = key
	w.mu.Unlock()
	if !w.s.Quick {
		w.oracle.Secret(secret, key)
	}
}

// before is the part of an id before the first slash: the account.
func before(id string) string {
	account, _, _ := strings.Cut(id, "/")
	return account
}

func (w *World) outcome() *Outcome {
	for _, struck := range w.chance.struck {
		fault, _, _ := strings.Cut(struck, " ")
		w.tally[fault]++
	}
	o := &Outcome{Breach: nil, Story: w.story, Struck: w.chance.struck, Happened: w.tally,
		CredentialYears: float64(len(w.s.Credentials)) * w.s.Span.Hours() / (24 * 365)}
	if w.oracle != nil {
		o.Breach = w.oracle.Breach()
	}
	for _, a := range w.accounts {
		l := Load{Name: a.spec.Name, ByMinute: a.calls}
		for _, n := range a.calls {
			l.Calls += n
		}
		o.Accounts = append(o.Accounts, l)
	}
	return o
}
