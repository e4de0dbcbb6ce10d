package e2e

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rotatord/rotatord/emulator"
	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/test/daemon"
)

// longestWait is how long a moment is waited for; a daemon that has nothing of the kind to do dies then.
const longestWait = 2 * time.Second

// Keys are due at the age of one second, so each credential is always in some stage of a rotation.
const restlessPolicy = `scan: {schedule: "@every 1s"}
policies:
  - {name: seconds, max_age: 5s, renew_before: 4s, grace: 1s, idle: 1s, jitter: 0%, sinks: [vault, disk]}
`

// With this one nothing new is due.
const restfulPolicy = `scan: {schedule: "@every 1s"}
policies:
  - {name: seconds, max_age: 24h, renew_before: 1h, grace: 1s, idle: 1s, jitter: 0%, sinks: [vault, disk]}
`

// deaths are what a test of deaths at random moments is about.
type deaths struct {
	e *daemon.Emulator
	// kills is how often the daemon dies, requests are what may go on at its deaths.
	kills    int
	requests []string
	// stages are those in which some death must have found a rotation. With orphans, some death must have left one, and some a
	// sealed secret.
	stages  []rotator.Stage
	orphans bool
	// soak is for how long old keys are switched off, in seconds.
	soak int
}

// The requests that a rotation makes, in its order.
var rotationRequests = []string{
	daemon.RequestList, daemon.RequestMint, daemon.RequestCheck, "vault read", "vault write", "vault metadata", daemon.RequestRevoke,
}

// TestKillNine is about the guarantees G1 and G2: the daemon is killed at random moments, and after each death every sink holds
// a key that the provider accepts, and every key that was made is sealed in the journal, delivered, or known by its name.
// Meanwhile consumers of both sinks are never refused.
func TestKillNine(t *testing.T) {
	deaths{
		e:     daemon.Emulate(t, emulator.CertCentralOptions{Rates: []emulator.Rate{}, NewKeyRefusedFor: 200 * time.Millisecond}),
		kills: 120, requests: rotationRequests, orphans: true,
		stages: []rotator.Stage{rotator.StageMinting, rotator.StageTesting, rotator.StageDelivering, rotator.StageGrace, rotator.StageRevoking},
	}.happen(t)
}

// TestKillNineOfTokens is TestKillNine with tokens of DigiCert ONE, which are disabled before they are deleted.
func TestKillNineOfTokens(t *testing.T) {
	t.Parallel()
	instance := emulator.NewDigiCertOne(emulator.DigiCertOneOptions{Rates: []emulator.Rate{}, NewTokenRefusedFor: 200 * time.Millisecond, NamesPerUser: true})
	deaths{
		e: daemon.Serve(t, daemon.DigiCertOneTokens(instance)), kills: 40, requests: append(rotationRequests, daemon.RequestDisable), soak: 1,
		stages: []rotator.Stage{rotator.StageGrace, rotator.StageSoaking},
	}.happen(t)
}

// TestKillNineOfServiceUsers is TestKillNine with service users of DigiCert ONE that are replaced.
func TestKillNineOfServiceUsers(t *testing.T) {
	t.Parallel()
	deaths{
		e:     daemon.Serve(t, daemon.DigiCertOneUsers(newInstance(200*time.Millisecond))),
		kills: 40, requests: append(rotationRequests, daemon.RequestDisable), soak: 1,
		stages: []rotator.Stage{rotator.StageGrace, rotator.StageSoaking},
	}.happen(t)
}

func (d deaths) policy(text string) string {
	return strings.Replace(text, "idle: 1s", fmt.Sprintf("idle: 1s, soak: %ds", d.soak), 1)
}

func (d deaths) happen(t *testing.T) {
	t.Helper()
	seed := drawSeed(t)
	r := rand.New(rand.NewPCG(seed, 0)) // draws moments
	f := newFleet(t, d.e)
	for i := range 12 {
		f.services = append(f.services, f.provider.AddService(fmt.Sprintf("svc-%d", i), "key", time.Duration(i)*time.Second/3))
	}
	k := f.killer()
	f.prepare(f.config("json", d.policy(restlessPolicy)))
	consumers := f.consume(150 * time.Millisecond)

	a := &autopsy{f: f, stages: map[rotator.Stage]int{}, held: map[string]bool{}}
	moments := map[string]int{}
	for i := range d.kills {
		m := drawMoment(r, d.requests)
		moments[m.String()]++
		late := f.dieAt(k, m)
		a.perform()
		if bad := consumers.failures(); bad != "" {
			a.complain("consumers were left without a working key:\n%s", bad)
		}
		if len(a.complaints) > 0 {
			t.Fatalf("after kill %d of %d (%+v), with seed %d:\n%s", i+1, d.kills, m, seed, strings.Join(a.complaints, "\n"))
		}
		late()
	}
	f.catchUp(consumers)
	f.finish(k, d.policy(restfulPolicy))
	consumers.verdict(t, 2)
	a.last()
	for _, bad := range a.complaints {
		t.Errorf("at the end, with seed %d: %s", seed, bad)
	}
	a.covered(moments, &d)
}

// drawSeed takes the seed from the environment, to repeat a run's draws, or a new one, and tells it.
func drawSeed(t *testing.T) uint64 {
	t.Helper()
	seed := rand.Uint64()
	if text := os.Getenv("ROTATORD_TEST_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatalf("ROTATORD_TEST_SEED: %v", err)
		}
	}
	t.Logf("ROTATORD_TEST_SEED=%d", seed)
	return seed
}

// dieAt starts the daemon and kills it at the moment. What was held goes on when it is dead, or, for late ones, some time after
// late was called, which is when the daemon starts anew.
func (f *fleet) dieAt(k *killer, m moment) (late func()) {
	f.t.Helper()
	fired, release := k.arm(m)
	f.d.Launch()
	limit := longestWait
	if m.at.name == "" {
		limit = m.after
	}
	select {
	case <-fired:
		<-time.After(m.after) // the moment itself
	case <-time.After(limit):
	}
	f.d.Kill()
	k.disarm()
	if m.late > 0 {
		return func() { time.AfterFunc(m.late, func() { close(release) }) }
	}
	close(release)
	daemon.Await(f.t, daemon.Patience, "what was asked for before the death", k.settled)
	return func() {}
}

// catchUp lets the daemon live until it has rotated what it never came to between its deaths, as happens on a slow machine.
func (f *fleet) catchUp(cs consumers) {
	f.t.Helper()
	if cs.used(2) == nil {
		return
	}
	f.d.Start()
	daemon.Await(f.t, longestPause, "a rotation of every key", func() error { return cs.used(2) })
	f.d.Kill()
}

// longestPause is how long what is left to do may take: a rotation whose key was lost again and again waits longer and longer
// before it makes another.
const longestPause = 4 * time.Minute

// finish lets the daemon complete what it has begun, and nothing more.
func (f *fleet) finish(k *killer, policy string) {
	f.t.Helper()
	k.disarm()
	f.d.Configure(f.config("json", policy))
	f.d.Start()
	daemon.Await(f.t, longestPause, "the end of all rotations", func() error {
		open, _ := f.d.Rotations()
		if len(open) > 0 {
			return fmt.Errorf("%d rotations are open, the first is %+v", len(open), open[0])
		}
		for _, s := range f.services {
			if active := f.provider.Active(s.UserID); len(active) != 1 {
				return fmt.Errorf("%s has the active keys %+v, want one", s.Name, active)
			}
		}
		return nil
	})
	if n, _ := f.d.Metric("rotatord_orphan_keys"); n != 0 {
		f.t.Errorf("the metrics count %v orphans at the end, want 0", n)
	}
	f.d.Stop()
}

// covered tells where the deaths fell, and fails if one of the stages that wait for somebody else was never hit.
func (a *autopsy) covered(moments map[string]int, d *deaths) {
	a.f.t.Helper()
	for _, m := range slices.Sorted(maps.Keys(moments)) {
		a.f.t.Logf("%4d kills aimed at: %s", moments[m], m)
	}
	for _, stage := range slices.Sorted(maps.Keys(a.stages)) {
		a.f.t.Logf("%4d rotations were found in stage %s", a.stages[stage], stage)
	}
	a.f.t.Logf("%d orphans were found, and %d sealed secrets opened", a.orphans, a.opened)
	for _, stage := range d.stages {
		if a.stages[stage] == 0 {
			a.f.t.Errorf("no kill found a rotation in stage %s", stage)
		}
	}
	if d.orphans && (a.orphans == 0 || a.opened == 0) {
		a.f.t.Error("no kill left an orphan, or none a sealed secret: the moments miss what the test is about")
	}
}

// leftovers are files below the folder of keys that are neither keys nor marks.
func (f *fleet) leftovers() (found []string) {
	_ = filepath.WalkDir(f.d.Path("keys"), func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		place := strings.TrimSuffix(strings.TrimPrefix(entry.Name(), "."), ".rotatord.json")
		if !slices.ContainsFunc(f.services, func(s daemon.Service) bool { return place == filepath.Base(f.placeOf(s)) }) {
			found = append(found, path)
		}
		return nil
	})
	return found
}
