package faults

import (
	"net/http"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rotatord/rotatord/test/daemon"
)

// freeze stops the process, as a suspended machine does, for as long as the whole life of a key under the policy, and lets it
// go on.
func (c *scene) freeze(d time.Duration) {
	c.t.Helper()
	c.d.Signal(syscall.SIGSTOP)
	thaw := time.NewTimer(d)
	defer thaw.Stop()
	select {
	case <-thaw.C:
	case <-c.t.Context().Done():
	}
	c.d.Signal(syscall.SIGCONT)
}

// TestFrozenForLongerThanALife: keys come due, and their deadlines pass, while the process stands still. It looks at what is,
// not at what it missed.
func TestFrozenForLongerThanALife(t *testing.T) {
	t.Parallel()
	c := start(t, setting{age: time.Second, timing: "max_age: 14s, renew_before: 9s, grace: 1s, idle: 0s"})
	c.sees()
	c.freeze(15 * time.Second)
	for _, s := range c.services {
		c.await("two rotations of "+s.Name, func() error {
			n := len(c.e.Keys(s.UserID))
			return want(n > 2, "%d keys were made", n-1)
		})
		if k, _ := c.e.Key(s.KeyID); k.Status != "revoked" {
			t.Errorf("the first key of %s is %s", s.Name, k.Status)
		}
		if n := len(c.active(s)); n < 1 || n > 2 {
			t.Errorf("%s has %d active keys", s.Name, n)
		}
	}
	if s := c.d.Status(); s.NeedsPerson {
		t.Errorf("it needs a person for %+v", s.Attention)
	}
	c.unharmed()
}

// TestFrozenInARotation: the process stands still for longer than grace, propagation and every timeout, at the worst moments.
func TestFrozenInARotation(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		when func(c *scene) (moment func())
	}{
		{"in the grace period", func(c *scene) func() {
			return func() {
				for _, s := range c.services {
					c.delivered(s)
				}
			}
		}},
		{"in a create call", func(c *scene) func() { return c.duringCall(http.MethodPost) }},
		{"in a revoking call", func(c *scene) func() { return c.duringCall(http.MethodPut) }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			c := prepare(t, setting{})
			moment := tc.when(c)
			c.begin()
			moment()
			c.freeze(8 * time.Second)
			c.goodEnd(0)
		})
	}
}

// duringCall returns what waits for the first such call and stops the daemon while it waits for the answer, which is given
// only then.
func (c *scene) duringCall(method string) (moment func()) {
	arrived, stopped := make(chan struct{}), make(chan struct{})
	var once sync.Once
	c.e.Watch(func(call daemon.Call) {
		if call.Method == method && !call.Done {
			once.Do(func() {
				close(arrived)
				<-stopped
			})
		}
	})
	return func() {
		c.t.Helper()
		select {
		case <-arrived:
		case <-time.After(recovery):
			c.t.Errorf("no %s call was made", method)
		}
		c.d.Signal(syscall.SIGSTOP)
		close(stopped)
	}
}
