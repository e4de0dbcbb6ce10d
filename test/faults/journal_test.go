package faults

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rotatord/rotatord/test/daemon"
)

// small is a disk for the journal alone.
var small = map[string]string{"state": "size=2m,mode=0700"}

// journalFull checks that a full disk of the journal is said everywhere, and that the daemon lives.
func (c *scene) journalFull() {
	c.t.Helper()
	c.logs("is full: free some space there; rotatord goes on by itself then")
	c.metric(atLeast(1), "rotatord_journal_errors_total")
	c.ready()
}

// TestJournalDiskFullBeforeAnything: no key is made whose intent cannot be written down.
func TestJournalDiskFullBeforeAnything(t *testing.T) {
	t.Parallel()
	s := setting{mounts: small, age: time.Minute}
	c := start(t, s)
	c.await("the scan at start", func() error {
		return want(c.d.Status().Providers[0].KeysByState["managed"] == 2, "there is %+v", c.d.Status().Providers)
	})
	free := fill(t, c.d.Path("state"))
	c.await("the disk to be too full to plan", func() error {
		out, errs, code := c.d.Command("rotate", "cc/*/deploy")
		return want(code == 1 && strings.Contains(out+errs, "full"), "rotate ends with %d: %s%s", code, out, errs)
	})
	for _, s := range c.services {
		c.untouched(s)
		if n := len(c.e.Keys(s.UserID)); n != 1 {
			t.Errorf("%d keys were made without a durable intent", n-1)
		}
	}
	c.ready()
	free()
	c.rotate()
	c.goodEnd(1)
}

// atMint calls f when a create call arrives at the provider, once.
func (c *scene) atMint(f func()) {
	var once sync.Once
	c.e.Watch(func(call daemon.Call) {
		if call.Method == http.MethodPost && !call.Done {
			once.Do(f)
		}
	})
}

// fullAtMint fills the journal's disk in the moment in which a key is made, and returns what empties it.
func fullAtMint(t *testing.T) (c *scene, free func()) {
	t.Helper()
	c = prepare(t, setting{mounts: small, services: []string{"ci-build"}})
	filled := make(chan func(), 1)
	c.atMint(func() { filled <- fill(t, c.d.Path("state")) })
	c.begin()
	free = <-filled
	c.journalFull()
	return c, free
}

// TestJournalDiskFullWhileAKeyIsMade: the secret waits in memory, and is sealed when there is space.
func TestJournalDiskFullWhileAKeyIsMade(t *testing.T) {
	t.Parallel()
	c, free := fullAtMint(t)
	c.untouched(c.services[0])
	free()
	c.goodEnd(1)
}

// TestJournalDiskStaysFullWhileAKeyIsMade: a secret that cannot be sealed is not kept for ever: its key is revoked while its id
// is known, and another is made later.
func TestJournalDiskStaysFullWhileAKeyIsMade(t *testing.T) {
	t.Parallel()
	c, free := fullAtMint(t)
	c.logs("cannot be sealed into the journal; revoking the key again")
	c.await("the new key to be revoked", func() error {
		active := c.active(c.services[0])
		return want(len(active) == 1 && active[0].ID == c.services[0].KeyID, "active are %+v", active)
	})
	free()
	c.goodEnd(2)
}

// TestJournalDiskFullInTheGracePeriod: the old key is not revoked before it is written down that it will be.
func TestJournalDiskFullInTheGracePeriod(t *testing.T) {
	t.Parallel()
	c := start(t, setting{mounts: small, timing: "max_age: 1h, renew_before: 50m, grace: 5s, idle: 0s"})
	for _, s := range c.services {
		c.delivered(s)
	}
	c.metric(is(2), "rotatord_open_rotations", `provider="cc"`, `stage="grace"`)
	free := fill(t, c.d.Path("state"))
	c.journalFull()
	for _, s := range c.services {
		c.untouched(s)
	}
	free()
	c.goodEnd(1)
}

// TestJournalDiskFullOverARestart: a daemon that is restarted on a full disk either runs or says why it does not, and what was in
// flight resumes when there is space.
func TestJournalDiskFullOverARestart(t *testing.T) {
	t.Parallel()
	c, free := fullAtMint(t)
	c.d.Kill()
	c.d.Launch()
	c.await("it to say that the disk is full", func() error {
		return want(strings.Count(c.d.Logs(), "is full: free some space there") > 1 || !c.d.Running(), "it does not")
	})
	if !c.d.Running() {
		c.logs("is full")
	} else {
		c.d.Kill()
	}
	free()
	c.d.Start()
	c.goodEnd(2)
}

// TestJournalTroubleIsOnTheStatus: while nothing can be written down nothing moves, and the status says so.
func TestJournalTroubleIsOnTheStatus(t *testing.T) {
	t.Parallel()
	c := start(t, setting{mounts: small, timing: "max_age: 1h, renew_before: 50m, grace: 5s, idle: 0s"})
	c.metric(is(2), "rotatord_open_rotations", `provider="cc"`, `stage="grace"`)
	free := fill(t, c.d.Path("state"))
	c.journalFull()
	c.await("the status to say that a person is needed", func() error {
		s := c.d.Status()
		return want(s.NeedsPerson, "it says ready %v, attention %+v, in motion %+v", s.Ready, s.Attention, s.InMotion)
	})
	free()
	c.goodEnd(1)
}

// TestJournalGoesReadOnly breaks the journal's file system while the daemon has it open, so that the kernel makes it read-only: before
// the secret of a new key is sealed, and in the grace period. That is said, nothing is revoked that is not written down, and once
// the disk is repaired everything comes to its end.
func TestJournalGoesReadOnly(t *testing.T) {
	t.Parallel()
	for _, when := range []string{"while a key is made", "in the grace period"} {
		t.Run(when, func(t *testing.T) {
			t.Parallel()
			c := prepare(t, setting{services: []string{"ci-build"}, timing: "max_age: 1h, renew_before: 50m, grace: 5s, idle: 0s"})
			damage, repair := breakable(t, c.d.Path("state"))
			made := 2 // the key whose secret could not be sealed, and another
			if when == "while a key is made" {
				damaged := make(chan struct{})
				c.atMint(func() { damage(); close(damaged) })
				c.begin()
				<-damaged
			} else {
				made = 1
				c.begin()
				c.metric(is(1), "rotatord_open_rotations", `provider="cc"`, `stage="grace"`)
				damage()
			}
			c.logs("does not take or give data: look at the kernel log")
			c.metric(atLeast(1), "rotatord_journal_errors_total")
			c.ready()
			c.untouched(c.services[0])
			c.d.Kill()
			repair()
			c.d.Start()
			c.goodEnd(made)
		})
	}
}
