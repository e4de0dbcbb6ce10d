package certcentral_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rotatord/rotatord/emulator"
	"github.com/rotatord/rotatord/providers/certcentral"
	"github.com/rotatord/rotatord/rotator"
)

// onFakeClock runs a test with an account and a provider whose network is in memory, as a fake clock needs it.
func onFakeClock(t *testing.T, server emulator.CertCentralOptions, o certcentral.Options, test func(*testing.T, *emulator.CertCentral, *certcentral.Provider)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		a := emulator.NewCertCentral(server)
		o.BaseURL, o.Key, o.Transport = "https://certcentral.example"+a.BasePath(), fixed(a.ManagerSecret()), emulator.InMemory(a)
		p, err := certcentral.New(o)
		if err != nil {
			t.Fatal(err)
		}
		test(t, a, p)
	})
}

func TestTheDocumentedRatesAreNeverExceeded(t *testing.T) {
	onFakeClock(t, emulator.CertCentralOptions{}, certcentral.Options{}, func(t *testing.T, a *emulator.CertCentral, p *certcentral.Provider) {
		user := a.AddUser(emulator.CertCentralUser{})
		started := time.Now()
		var wg sync.WaitGroup
		const calls = 2500
		for range calls {
			wg.Go(func() {
				if err := mintErr(t, p, user); err != nil {
					t.Errorf("Mint: %v", err)
				}
			})
		}
		wg.Wait()
		manager := a.Usage(a.Keys(0)[0].ID)
		if manager.Throttled != 0 || manager.OK != calls {
			t.Errorf("the service let %d calls in and throttled %d", manager.OK, manager.Throttled)
		}
		if took, atBest := time.Since(started), calls*3*time.Minute/1000; took > atBest*11/10 {
			t.Errorf("%d calls took %v; the service's own rate would take %v", calls, took, atBest)
		}
	})
}

func TestThrottledReadsWaitAsLongAsTheyAreAskedTo(t *testing.T) {
	throttle := func(times int, after time.Duration, date bool) emulator.Fault {
		return emulator.Fault{Match: emulator.Match{Path: "/user/*"}, Count: times, Effect: emulator.Effect{
			Kind: emulator.EffectStatus, Status: 429, RetryAfter: emulator.Duration(after), RetryAfterDate: date,
		}}
	}
	for _, c := range []struct {
		name  string
		fault emulator.Fault
		kind  rotator.Kind // "" is success
		took  time.Duration
	}{
		{"twice, in seconds", throttle(2, 7*time.Second, false), "", 14 * time.Second},
		{"once, as a date", throttle(1, 7*time.Second, true), "", 7 * time.Second},
		{"once, without saying for how long", throttle(1, 0, false), "", 5 * time.Second},
		{"always", throttle(0, 7*time.Second, false), rotator.Throttled, 14 * time.Second},
		{"for longer than a read waits", throttle(1, time.Minute, false), rotator.Throttled, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			onFakeClock(t, emulator.CertCentralOptions{}, certcentral.Options{}, func(t *testing.T, a *emulator.CertCentral, p *certcentral.Provider) {
				if err := a.Faults.Add(c.fault); err != nil {
					t.Fatal(err)
				}
				started := time.Now()
				_, err := p.ShowUser(t.Context(), "me")
				if (err == nil) != (c.kind == "") || (err != nil && rotator.KindOf(err) != c.kind) {
					t.Errorf("got %v, want kind %q", err, c.kind)
				}
				// The client's own rate may add a fraction of a second.
				if took := time.Since(started); took < c.took || took > c.took+time.Second {
					t.Errorf("it took %v, want %v", took, c.took)
				}
			})
		})
	}
}

func TestASlowVisitorIsNotASlowService(t *testing.T) {
	onFakeClock(t, emulator.CertCentralOptions{}, certcentral.Options{Timeout: time.Second}, func(t *testing.T, a *emulator.CertCentral, p *certcentral.Provider) {
		a.AddFleet(20, 100, time.Now())
		v := newSeen()
		v.slow = time.Minute
		if err := p.Scan(t.Context(), rotator.Scope{}, v); err != nil || len(v.keys) != 2001 {
			t.Errorf("saw %d keys, %v", len(v.keys), err)
		}
	})
}

func TestACallThatWouldWaitBeyondItsDeadlineIsThrottled(t *testing.T) {
	o := certcentral.Options{Rates: []certcentral.Rate{{Requests: 1, Per: time.Hour}}}
	onFakeClock(t, emulator.CertCentralOptions{}, o, func(t *testing.T, a *emulator.CertCentral, p *certcentral.Provider) {
		if _, err := p.ShowUser(t.Context(), "me"); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err := p.Mint(ctx, rotator.MintRequest{UserID: str(a.AddUser(emulator.CertCentralUser{})), Name: "ci"})
		mustKind(t, err, rotator.Throttled)
	})
}

func TestANewKeyIsRefusedAtFirst(t *testing.T) {
	const late = 10 * time.Second
	server := emulator.CertCentralOptions{NewKeyRefusedFor: late, NewKeyListedAfter: late, RevokedKeyAcceptedFor: late}
	onFakeClock(t, server, certcentral.Options{}, func(t *testing.T, a *emulator.CertCentral, p *certcentral.Provider) {
		user := str(a.AddUser(emulator.CertCentralUser{}))
		m, err := p.Mint(t.Context(), rotator.MintRequest{UserID: user, Name: "ci"})
		if err != nil {
			t.Fatal(err)
		}
		mustKind(t, p.Check(t.Context(), user, m.Secret), rotator.Denied)
		v := newSeen()
		if err := p.Scan(t.Context(), rotator.Scope{UserID: user}, v); err != nil || len(v.keys) != 0 {
			t.Errorf("the new key is listed already: %v, %v", v.keys, err)
		}
		time.Sleep(late)
		if err := p.Check(t.Context(), user, m.Secret); err != nil {
			t.Errorf("the new key is still refused: %v", err)
		}
		if err := p.Retire(t.Context(), rotator.Key{ID: m.KeyID}); err != nil {
			t.Fatal(err)
		}
		if err := p.Check(t.Context(), user, m.Secret); err != nil {
			t.Errorf("the revocation bit at once: %v", err)
		}
		time.Sleep(late)
		mustKind(t, p.Check(t.Context(), user, m.Secret), rotator.Denied)
	})
}
