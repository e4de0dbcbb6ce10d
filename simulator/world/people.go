package world

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/rotator/journal"
	"github.com/rotatord/rotatord/simulator/oracle"
)

// happen lets an incident happen. One that is about a credential and needs the daemon is left out while there is none.
func (w *World) happen(i Incident, a *agenda) {
	until := w.now().Add(i.For)
	switch i.Kind {
	case Crash, Stall, CutOff, Restart:
		if l := w.lives[i.Target%len(w.lives)]; l != nil {
			w.strikeDown(l, i)
		}
	case Undo:
		w.undo(i, a)
	case Outage:
		w.happened(string(i.Kind))
		w.breakAccount(w.accounts[i.Target], until, ServerError)
	case Refusal:
		w.happened(string(i.Kind))
		w.breakAccount(w.accounts[i.Target], until, Forbidden)
	case SinkOutage:
		s := w.sinks[i.Target]
		w.tell("world", "sink %s fails until %s", s.spec.Name, until.Format(time.DateTime))
		s.mu.Lock()
		s.down = append(s.down, outage{from: w.now(), to: until})
		s.mu.Unlock()
		w.happened(string(i.Kind))
	case ClockSet:
		w.setClock(i.By)
	case ReplicaClock:
		w.setReplicaClock(i.Target%len(w.lives), i.By)
	case Declare:
		w.declare(i.Target)
	case HookOutage:
		w.lasts(i.Kind, "nobody listens to hooks", &w.deafUntil, until)
	case FullDisk:
		w.lasts(i.Kind, "the disk is full", &w.fullUntil, until)
	default:
		w.meddle(i, until)
	}
}

// lasts begins what lasts until a time.
func (w *World) lasts(k Kind, what string, end *time.Time, until time.Time) {
	w.tell("world", "%s until %s", what, until.Format(time.DateTime))
	w.happened(string(k))
	w.mu.Lock()
	defer w.mu.Unlock()
	*end = until
}

// strikeDown is what happens to one daemon.
func (w *World) strikeDown(l *life, i Incident) {
	switch i.Kind {
	case Crash:
		l.dieAt(i.Nth)
		w.tell("world", "%s will die at point %d from now", l.called(), i.Nth)
	case Stall:
		l.stallAt(i.Nth, i.For)
		w.tell("world", "%s will stand still at point %d from now", l.called(), i.Nth)
	case CutOff:
		l.cut(time.Now().Add(i.For))
		w.happened(string(CutOff))
		w.tell("world", "%s does not reach its journal for %s", l.called(), i.For)
	default:
		w.down(l, i.For)
	}
}

// undoLook is how often somebody who wants a key back looks whether there is one that can be had.
const undoLook = 20 * time.Minute

// undo brings the first key back that is switched off and not yet revoked. While there is none it is tried again later.
func (w *World) undo(i Incident, a *agenda) {
	if l := w.anybody(); l != nil {
		open, err := l.store.Rotations(background(), false, 1<<20)
		if err != nil {
			w.tell("person", "cannot see the page: %v", err)
		}
		for _, r := range open {
			if r.Stage == rotator.StageSoaking && w.undoOne(r.CredentialID, w.now().Add(i.For)) {
				return
			}
		}
	}
	i.At += undoLook
	at, _ := slices.BinarySearchFunc(a.incidents, i, func(x, y Incident) int { return cmp.Compare(x.At, y.At) })
	a.incidents = slices.Insert(a.incidents, at, i)
}

func (w *World) undoOne(c rotator.CredentialID, until time.Time) bool {
	l := w.at(c.Provider)
	if l == nil {
		return false
	}
	ctx, cancel := asking()
	defer cancel()
	now := w.daemonNow()
	until = until.Add(-w.skew())
	_, err := l.engine.Undo(ctx, rotator.Hold{CredentialID: c, By: "alice", Until: until, Reason: "it is still in use", At: now})
	w.tell("person", "wants the old key of %s back: %s", c, outcome(err))
	if err != nil {
		return false
	}
	w.oracle.Held(c.String(), w.daemonNow(), until)
	w.happened(string(Undo))
	return true
}

func (w *World) breakAccount(a *account, until time.Time, why Fault) {
	w.tell("world", "account %s answers with %s until %s", a.spec.Name, why, until.Format(time.DateTime))
	a.mu.Lock()
	defer a.mu.Unlock()
	a.down = append(a.down, outage{from: w.now(), to: until, why: why})
}

// meddle is what people do.
func (w *World) meddle(i Incident, until time.Time) {
	var c *credential
	if i.Target < len(w.creds) {
		c = w.creds[i.Target]
	}
	switch i.Kind {
	case Overwrite, Wipe:
		w.happened(string(i.Kind))
		w.spoil(c, w.sinks[i.Sink], i.Kind == Overwrite)
	case Restore:
		w.restore(c, w.sinks[i.Sink])
	case MakeKey:
		w.makeKey(c)
	case RemoveKey:
		w.removeOldest(c)
	case Reload:
		w.change(i, until)
	case Release:
		w.happened(string(i.Kind))
		w.release(c)
	case SecondDaemon:
		w.second()
	case Approve:
		w.ask(i, nil, w.accounts[i.Target].spec.Name, until)
	default:
		w.ask(i, c, c.id.Provider, until)
	}
}

// ask is what people want of the daemon that acts on an account. While none answers, they do without.
func (w *World) ask(i Incident, c *credential, account string, until time.Time) {
	l := w.at(account)
	if l == nil {
		w.tell("person", "wants to %s, and no daemon answers for %s", i.Kind, account)
		return
	}
	ctx, cancel := asking()
	defer cancel()
	var err error
	switch i.Kind {
	case Hold:
		err = w.hold(ctx, l, c, until)
	case Rotate:
		_, err = l.engine.Rotate(ctx, c.id, rotator.ReasonManual, "alice")
	case Compromise:
		_, err = l.engine.Rotate(ctx, c.id, rotator.ReasonCompromised, "alice")
	case StartOver:
		_, err = l.engine.StartOver(ctx, c.id, "alice")
	default: // Approve
		err = w.approve(ctx, l, account)
	}
	w.happened(string(i.Kind)) // also where the daemon says that there is nothing to give up, say
	w.told(i.Kind, c, err)
}

func (w *World) told(k Kind, c *credential, err error) {
	about := ""
	if c != nil {
		about = c.id.String()
	}
	w.tell("person", "%s %s: %s", k, about, outcome(err))
	if err != nil {
		w.oracle.Printed("an answer to a person", []byte(err.Error()), w.daemonNow())
	}
}

func (w *World) hold(ctx context.Context, l *life, c *credential, until time.Time) error {
	now := w.daemonNow()
	until = until.Add(-w.skew())
	err := l.engine.Hold(ctx, rotator.Hold{CredentialID: c.id, By: "alice", Until: until, Reason: "year end", At: now})
	if err == nil {
		w.oracle.Held(c.id.String(), w.daemonNow(), until)
	}
	return err
}

func (w *World) release(c *credential) {
	ctx, cancel := asking()
	defer cancel()
	l := w.at(c.id.Provider)
	if l == nil {
		return
	}
	w.oracle.Released(c.id.String()) // from the first moment on at which it may be gone
	if err := l.engine.Release(ctx, c.id, "alice"); err != nil {
		w.tell("person", "release %s: %s", c.id, outcome(err))
	}
}

func (w *World) approve(ctx context.Context, l *life, account string) error {
	n, err := l.engine.Approve(ctx, account, "alice", day1)
	w.oracle.Approved(account, n, w.daemonNow().Add(day1+max(0, w.clockApart(l.slot))))
	return err
}

// change reads another configuration: each policy's grace period grows by a tenth, or there is a freeze.
func (w *World) change(i Incident, until time.Time) {
	if i.For > 0 {
		at := w.daemonNow()
		w.freezes = append(slices.Clone(w.freezes), rotator.Freeze{From: at, To: until.Add(-w.skew()), Reason: "a person says so"})
	} else {
		w.policies = slices.Clone(w.policies)
		for p := range w.policies {
			w.policies[p].Grace += w.policies[p].Grace / 10
		}
	}
	w.happened(string(Reload))
	w.reload()
}

// reload has every daemon read the configuration. One that does not answer is killed; the one that follows it reads it as it is then.
func (w *World) reload() {
	ctx, cancel := asking()
	defer cancel()
	w.configured() // from now on either may be in force
	for _, l := range w.lives {
		if l == nil {
			continue
		}
		if !l.answers() {
			w.tell("person", "kills %s, which does not answer", l.called())
			w.bury(l)
			w.awake[l.slot] = w.now().Add(rebirth)
			continue
		}
		setup, err := w.setup(l)
		if err != nil {
			w.fail(err)
			return
		}
		w.tell("person", "has %s reload: %s", l.called(), outcome(l.engine.Apply(ctx, setup)))
	}
	w.configured()
}

// configured tells the oracle what is in force.
func (w *World) configured() {
	windows := map[string]*oracle.Window{}
	for _, p := range w.policies {
		windows[p.Name] = p.Plain
		w.oracle.Requires(p.Name, p.RequiredHooks)
	}
	var freezes []oracle.Span
	for _, f := range w.freezes {
		freezes = append(freezes, oracle.Span{From: f.From, To: f.To})
	}
	w.oracle.Configured(windows, freezes, w.daemonNow())
}

func (w *World) spoil(c *credential, s *sink, foreign bool) {
	text := ""
	if foreign {
		text = "not-a-key-of-ours"
	}
	w.tell("person", "writes %q over %s in sink %s", text, c.location(), s.spec.Name)
	s.spoil(c.location(), text)
}

// restore puts a place back to what it held before. Where that is a key that works no more, it is the doing of whoever restored it.
func (w *World) restore(c *credential, s *sink) {
	s.mu.Lock()
	defer s.mu.Unlock()
	there := s.items[c.location()]
	if there == nil || there.before == nil {
		return
	}
	back := *there.before
	back.spoiled = back.spoiled || !w.Works(w.keyOf(back.secret))
	s.items[c.location()] = &back
	w.happened(string(Restore))
	w.tell("person", "restores %s in sink %s from a backup", c.location(), s.spec.Name)
}

// makeKey is a key that a person makes in the series, under a name of his own.
func (w *World) makeKey(c *credential) {
	keys := c.acc.sys.keys(c.id.UserID)
	version := len(keys) + 30
	name := rotator.KeyName(c.id.Base, version)
	for slices.ContainsFunc(keys, func(k truth) bool { return k.name == name }) {
		version++
		name = rotator.KeyName(c.id.Base, version)
	}
	secret, err := c.acc.sys.makeByHand(c.id.UserID, name, w.now().Add(90*day1))
	w.tell("person", "makes key %s of %s by hand: %s", name, c.id, outcome(err))
	if err != nil {
		return
	}
	if c.acc.spec.System == DataspotBlind {
		if c.untold == nil {
			c.untold = map[string]bool{}
		}
		c.untold[name] = true
	}
	w.happened(string(MakeKey))
	w.knows(secret, c.acc.keyID(c.id.UserID, name))
	c.acc.settle(about{user: c.id.UserID}, by{}, w.daemonNow())
}

func (w *World) removeOldest(c *credential) {
	for _, k := range c.acc.sys.keys(c.id.UserID) {
		if k.works(w.now()) {
			w.happened(string(RemoveKey))
			w.remove(c, k)
			return
		}
	}
}

func (w *World) remove(c *credential, k truth) {
	err := c.acc.sys.removeByHand(c.id.UserID, k)
	w.tell("person", "revokes key %s of %s by hand: %s", k.name, c.id, outcome(err))
	c.acc.settle(about{user: c.id.UserID}, by{}, w.daemonNow())
}

// second is another daemon on the same journal, which is in a file: it is refused, whether or not replicas share it already.
func (w *World) second() {
	if w.anybody() == nil {
		return
	}
	w.happened(string(SecondDaemon))
	ctx, cancel := asking()
	defer cancel()
	other, err := journal.Open(ctx, w.path, journal.Options{})
	refused := err != nil && rotator.KindOf(err) == rotator.Conflict
	if err == nil {
		_ = other.Close()
	}
	w.oracle.SecondActor(refused, w.daemonNow())
}
