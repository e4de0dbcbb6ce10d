package world

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/simulator/oracle"
)

// slack is by how much a deadline may pass before that counts: half a day for what a person has to do.
const slack = 12 * time.Hour

// judge is the onlooker's daily round: is anything overdue, unscanned or hammered, and does the daemon say so?
func (w *World) judge() {
	now := w.now()
	for _, a := range w.accounts {
		a.mu.Lock()
		worst, scanned := 0, a.lastScan
		for _, n := range a.failed {
			worst = max(worst, n)
		}
		clear(a.failed)
		a.mu.Unlock()
		w.oracle.Hammered(a.spec.Name, worst, hammering, w.daemonNow())
		w.judgeScan(a, scanned, now)
	}
	signs := sync.OnceValue(w.signs)
	for _, c := range w.creds {
		if deadline, key, over := w.overdue(c, now); over && c.acc.shown(key.created, now) {
			w.oracle.Overdue(c.id.String(), key.name, deadline, signs()(c), w.daemonNow())
		}
	}
}

// hammering is how many calls an hour a breaker lets through to an account that answers nothing: it tries after one minute, two, four
// and so on up to thirty, each time with what is due at once.
const hammering = 400

// unscanned is how long an account may go without a whole scan before somebody must be able to see it.
const unscanned = 36 * time.Hour

func (w *World) judgeScan(a *account, last, now time.Time) {
	since, awake := w.awakeAt(a.spec.Name)
	if !awake || time.Since(since) < unscanned || now.Sub(last) < unscanned {
		return
	}
	l := w.anybody()
	s, err := l.store.ProviderState(background(), a.spec.Name)
	if err != nil {
		return
	}
	w.oracle.Unscanned(a.spec.Name, last, s.ScanTrouble+s.PausedWhy, w.daemonNow())
}

// signs returns what the daemon's page says of a credential.
func (w *World) signs() func(*credential) string {
	l := w.anybody()
	if l == nil {
		return func(*credential) string { return "no daemon runs" }
	}
	said := map[rotator.CredentialID]string{}
	ctx := background()
	waiting, err := l.store.WaitingKeys(ctx, 1<<20)
	if err != nil {
		return func(*credential) string { return err.Error() }
	}
	for _, k := range waiting {
		said[k.Credential()] = string(k.Waiting)
	}
	open, err := l.store.Rotations(ctx, false, 1<<20)
	if err != nil {
		return func(*credential) string { return err.Error() }
	}
	for _, r := range open {
		if w.daemonNow().Sub(r.NextAt) < slack || r.Blocked != "" || r.Trouble != "" {
			said[r.CredentialID] = fmt.Sprintf("its rotation is in stage %s %s", r.Stage, r.Blocked)
		}
	}
	return func(c *credential) string {
		since, awake := w.awakeAt(c.id.Provider)
		if !awake || time.Since(since) < 2*w.s.Look+time.Hour {
			return "the daemon has only just begun to act there, or is about to"
		}
		s, err := l.store.ProviderState(ctx, c.id.Provider)
		if err != nil {
			return err.Error()
		}
		if s.Skew != 0 && w.clockWrongAt(c.id.Provider) {
			return rotator.SkewInWords(s.Skew)
		}
		return said[c.id] + s.PausedWhy + s.ScanTrouble
	}
}

// overdue reports whether a key of the credential works beyond its deadline: the newest one, or one that the daemon made. What
// people made by hand and another key has superseded is theirs to clear away.
func (w *World) overdue(c *credential, now time.Time) (deadline time.Time, newest truth, over bool) {
	p := w.policyOf(c)
	if p == nil || p.MaxAge == 0 || p.Observe {
		return time.Time{}, truth{}, false
	}
	version := -1
	for _, k := range c.acc.sys.keys(c.id.UserID) {
		if base, v := rotator.SplitName(k.name); base == c.id.Base && k.works(now) && v > version && !c.untold[k.name] {
			newest, version = k, v
		}
	}
	deadline = newest.created.Add(p.MaxAge)
	return deadline, newest, version >= 0 && now.Sub(deadline) > slack
}

// policyOf is the policy that selects the credential, by name: scenarios give each policy its own base names or accounts.
func (w *World) policyOf(c *credential) *Policy {
	user := rotator.ServiceUser{ID: c.id.UserID, Name: c.spec.User, Email: c.spec.Email}
	for i := range w.policies {
		if p := &w.policies[i]; p.SelectsUser(c.id.Provider, user) && p.SelectsKey(c.id.Base) {
			return p
		}
	}
	return nil
}

// judgeEnd looks whether everything has recovered after a long calm.
func (w *World) judgeEnd() {
	if w.s.Calm == 0 {
		return
	}
	now := w.now()
	w.oracle.End(w.daemonNow())
	l := w.anybody()
	if l == nil {
		w.oracle.Stuck("", "the daemon does not run", w.daemonNow())
		return
	}
	for _, a := range w.accounts {
		if s, err := l.store.ProviderState(background(), a.spec.Name); err == nil && s.Skew != 0 {
			w.oracle.Stuck("", fmt.Sprintf("the clocks agree, and %s is said to be ahead by %s", a.spec.Name, s.Skew), w.daemonNow())
		}
	}
	if !w.s.Unattended {
		w.judgeBirths()
	}
	open := map[rotator.CredentialID]rotator.Rotation{}
	list, err := l.store.Rotations(background(), false, 1<<20)
	if err != nil {
		w.oracle.Stuck("", err.Error(), w.daemonNow())
		return
	}
	for _, r := range list {
		open[r.CredentialID] = r
	}
	for _, c := range w.creds {
		if c.spec.Cursed || w.s.Unattended {
			continue
		}
		r, rotates := open[c.id]
		if deadline, key, over := w.overdue(c, now); over {
			why := "no rotation is open"
			if rotates {
				why = fmt.Sprintf("rotation %s is in stage %s since %s, %s %s", r.ID, r.Stage, r.StageAt.Format(time.DateTime), r.Blocked, r.Trouble)
			}
			w.oracle.Stuck(c.id.String(), fmt.Sprintf("key %s is past its deadline of %s, %s", key.name, deadline.Format(time.DateTime), why), w.daemonNow())
		}
	}
}

// placesOf are where the credential's key is to be.
func (w *World) placesOf(c *credential) (list []oracle.Place) {
	if p := w.policyOf(c); p != nil {
		for _, sink := range p.Sinks {
			list = append(list, oracle.Place{Sink: sink, Location: c.location()})
		}
	}
	return list
}

// background is for reads of the journal, which wait for nobody.
func background() context.Context { return context.Background() }
