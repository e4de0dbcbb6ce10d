package world

import (
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/rotatord/rotatord/emulator"
	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/simulator/oracle"
)

// account is an account at an issuing system, for all of the world's time.
type account struct {
	w    *World
	spec Account
	sys  system

	calling sync.Mutex // one call at a time reaches the system, so that a fault strikes the call it was drawn for

	mu        sync.Mutex
	seen      map[string]map[string]bool // user → name of key → off, as it was told last
	strangers []string
	down      []outage
	calls     map[int64]int // by minute of the world
	failed    map[int64]int // of these, while the account was down, by hour
	lastScan  time.Time     // the latest list of everything that was whole
	lastTrue  time.Time     // and the latest that left nothing out either
	lied      bool          // something was left out of the list that is being read
}

type outage struct {
	from, to time.Time
	why      Fault
}

// pass sends the call on, with a fault or without.
func (a *account) pass(r *http.Request, next http.RoundTripper, e *emulator.Effect) (*http.Response, error) {
	a.calling.Lock()
	defer a.calling.Unlock()
	if e == nil {
		return next.RoundTrip(r)
	}
	if err := a.sys.orders().Add(emulator.Fault{Name: "now", Count: 1, Effect: *e}); err != nil {
		return nil, err
	}
	defer a.sys.orders().Remove("now")
	return next.RoundTrip(r)
}

// outage says why the account answers nothing now; empty if it does.
func (a *account) outage(now time.Time) Fault {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, o := range a.down {
		if !now.Before(o.from) && now.Before(o.to) {
			a.failed[now.Unix()/3600]++
			return o.why
		}
	}
	return ""
}

func (a *account) count(now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.calls[now.Unix()/60]++
}

func (a *account) loseStranger() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.strangers) > 0 {
		a.sys.removeUser(a.strangers[0])
		a.strangers = a.strangers[1:]
	}
}

// by is who changed keys: the daemon or a person; late is true for a daemon that stood still and has lost the account meanwhile.
// born is true for what came with a service user that was made.
type by struct{ daemon, late, born bool }

// settle tells the oracle what has become of a user's keys: those that are new, off, or on again.
func (a *account) settle(what about, who by, sent time.Time) {
	if what.user == "" {
		return
	}
	now := a.w.daemonNow()
	keys := a.sys.keys(what.user)
	listed := map[string]bool{}
	a.mu.Lock()
	known := a.seen[what.user]
	if known == nil {
		known = map[string]bool{}
		a.seen[what.user] = known
	}
	var tell []func()
	for _, k := range keys {
		listed[k.name] = true
		tell = append(tell, a.changes(known, what.user, k, who, sent, now)...)
	}
	for name, off := range known {
		if !listed[name] && !off {
			known[name] = true
			tell = append(tell, func() { a.w.ended(a.keyID(what.user, name), who.daemon, sent) })
		}
	}
	a.mu.Unlock()
	for _, t := range tell {
		t()
	}
}

func (a *account) changes(known map[string]bool, user string, k truth, who by, sent, now time.Time) []func() {
	id := a.keyID(user, k.name)
	before, old := known[k.name]
	known[k.name] = k.off
	switch {
	case !old:
		base, _ := rotator.SplitName(k.name)
		made := oracle.Key{ID: id, Credential: a.spec.Name + "/" + user + "/" + base, User: a.spec.Name + "/" + user, Name: k.name, Made: now, Daemon: who.daemon, Late: who.late, Born: who.born}
		return []func(){func() { a.w.made(made, now) }}
	case before == k.off:
		return nil
	case k.off:
		return []func(){func() { a.w.ended(id, who.daemon, sent) }}
	default:
		return []func(){func() { a.w.oracle.On(id) }}
	}
}

// keyID names a key to the oracle: names are unique within a user in every world.
func (a *account) keyID(user, name string) string { return a.spec.Name + "/" + user + "/" + name }

func (a *account) credentialOf(what about) string {
	base, _ := rotator.SplitName(what.key)
	return a.spec.Name + "/" + what.user + "/" + base
}

// find returns a key by the name that the oracle has for it.
func (a *account) find(id string) (truth, bool) {
	user, name, ok := strings.Cut(strings.TrimPrefix(id, a.spec.Name+"/"), "/")
	if !ok {
		return truth{}, false
	}
	for _, k := range a.sys.keys(user) {
		if k.name == name {
			return k, true
		}
	}
	return truth{}, false
}

// scanning begins a list of everything.
func (a *account) scanning() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.lied = false
}

// lies notes that an answer leaves something out and does not say so.
func (a *account) lies() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.lied = true
}

// scanned notes that the daemon has read a list of everything to its end.
func (a *account) scanned(now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.lastScan = now
	if !a.lied {
		a.lastTrue = now
	}
}

// shown reports whether the daemon can know of a key that was there at a time: a list that left nothing out has shown it, and not
// so long ago that lists without it have been believed meanwhile.
func (a *account) shown(since, now time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.lastTrue.After(since.Add(a.spec.ListedAfter)) && now.Sub(a.lastTrue) < unscanned
}
