package replicas

import (
	"errors"
	"fmt"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/rotatord/rotatord/emulator"
	"github.com/rotatord/rotatord/rotator/seal"
	"github.com/rotatord/rotatord/test/daemon"
)

// services is how many keys are due.
const services = 6

// pair are two daemons on one PostgreSQL database, in front of one account.
type pair struct {
	t        *testing.T
	emulator *daemon.Emulator
	services []daemon.Service
	a, b     *daemon.Daemon
	// arrived has the create calls that arrived; each is carried out once somebody reads from it and then writes to or closes
	// release.
	arrived, release chan struct{}
	// hooks is the section of the configuration, and what a policy says of them; empty for none.
	hooks, used string
}

func newPair(t *testing.T) *pair { return newPairWith(t, "", "") }

func newPairWith(t *testing.T, hooks, used string) *pair {
	t.Helper()
	p := &pair{t: t, hooks: hooks, used: used, emulator: daemon.Emulate(t, emulator.CertCentralOptions{Rates: []emulator.Rate{}}),
		arrived: make(chan struct{}), release: make(chan struct{})}
	for i := range services {
		p.services = append(p.services, p.emulator.AddService(fmt.Sprintf("svc-%d", i), "key", 70*24*time.Hour))
	}
	over := make(chan struct{})
	t.Cleanup(func() { close(over) })
	p.emulator.Watch(func(c daemon.Call) {
		if c.Done || p.emulator.Request(c.Method, c.Path) != daemon.RequestMint {
			return
		}
		select {
		case p.arrived <- struct{}{}:
		case <-p.release:
		case <-over:
		}
		select {
		case <-p.release:
		case <-over:
		}
	})
	keys, database, key := t.TempDir(), server.Database(t, template), seal.NewKey()
	p.a, p.b = p.replica(keys, database, key), p.replica(keys, database, key)
	return p
}

func (p *pair) replica(keys, database, sealKey string) *daemon.Daemon {
	return daemon.New(p.t, daemon.Config{
		Files: map[string]string{"seal.key": sealKey, "cc.key": p.emulator.ManagerSecret(), "dsn": server.DSN(database)},
		YAML: fmt.Sprintf(`store: {postgres: {dsn_file: $DIR/dsn, lease: 6s}, seal: {key_file: $DIR/seal.key}}
scan: {schedule: "@every 1s"}
providers:
  - {name: cc, %s, timeout: 3s}
sinks:
  - {name: disk, type: file, path: %q, format: json}
policies:
  - {name: all, max_age: 90d, renew_before: 30d, grace: 1s, idle: 0s, jitter: 0%%, sinks: [disk]%s}
limits: {concurrent_rotations: 1}
%s`, p.emulator.Options(p.emulator.Root), filepath.Join(keys, "{{.ServiceUser}}.json"), p.used, p.hooks),
	})
}

func (p *pair) awaitOwner(d *daemon.Daemon) {
	p.t.Helper()
	daemon.Await(p.t, daemon.Patience, "the other replica owns the account", func() error {
		if held, _ := d.Metric("rotatord_lease_held"); held != 1 {
			return errors.New("rotatord_lease_held is not 1")
		}
		return nil
	})
}

// TestG6OneOwnerOfTwoDaemons kills the owner in the middle of a create call, and freezes the next one in another. Each key is
// replaced once, whoever does it, and what the frozen one had begun changes nothing.
func TestG6OneOwnerOfTwoDaemons(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	p.a.Start()
	<-p.arrived
	p.b.Start()
	p.a.Kill()
	p.release <- struct{}{}
	killed := time.Now()
	p.awaitOwner(p.b)
	if took := time.Since(killed); took > 5*time.Second {
		t.Errorf("a killed owner was displaced after %s: not by the end of its session", took)
	}
	<-p.arrived
	p.a.Start()
	p.b.Signal(syscall.SIGSTOP)
	close(p.release) // the key is made, and its answer waits for a process that does not read it
	p.awaitOwner(p.a)
	p.b.Signal(syscall.SIGCONT)
	p.awaitDone()
	p.verdict()
	p.a.Stop()
	p.awaitOwner(p.b)
	p.b.Stop()
}

func (p *pair) awaitDone() {
	p.t.Helper()
	daemon.Await(p.t, daemon.Patience, "every key is replaced", func() error {
		open, ended := p.a.Rotations()
		if len(open) > 0 || len(ended) < services {
			return fmt.Errorf("%d rotations are open and %d have ended", len(open), len(ended))
		}
		return nil
	})
}

func (p *pair) verdict() {
	p.t.Helper()
	if _, ended := p.a.Rotations(); len(ended) != services {
		p.t.Errorf("%d rotations for %d keys", len(ended), services)
	}
	for _, s := range p.services {
		active := p.emulator.Active(s.UserID)
		if len(active) != 1 || active[0].ID == s.KeyID {
			p.t.Errorf("%s has the active keys %+v, want one new one", s.Name, active)
		}
	}
	if of := p.b.Status().Providers; len(of) != 1 || of[0].Owner == "" || of[0].Owner != p.a.Status().Providers[0].Owner {
		p.t.Errorf("the replicas do not agree on who acts: %+v", of)
	}
	ofA, _ := p.a.Metric("rotatord_lease_held")
	ofB, _ := p.b.Metric("rotatord_lease_held")
	if ofA+ofB != 1 {
		p.t.Errorf("rotatord_lease_held is %v and %v", ofA, ofB)
	}
	if out, errs, code := p.a.Command("audit", "verify", "-c", p.a.ConfigPath); code != 0 {
		p.t.Errorf("the audit record is not one chain: %s%s", out, errs)
	}
}
