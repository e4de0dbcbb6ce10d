package browser

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/rotator/journal"
	"github.com/rotatord/rotatord/web"
)

// browser is the one process that all tests share.
var browser context.Context

func TestMain(m *testing.M) {
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox, chromedp.DisableGPU)
	allocator, stop := chromedp.NewExecAllocator(context.Background(), options...)
	var end context.CancelFunc
	browser, end = chromedp.NewContext(allocator)
	var err error
	if axe, err = fetchAxe(); err != nil {
		fmt.Fprintf(os.Stderr, "axe-core is not there (test/servers/install-axe fetches it): %v\n", err)
		os.Exit(1)
	}
	if err := chromedp.Do(browser); err != nil {
		fmt.Fprintf(os.Stderr, "chromium does not start (test/servers/install-apt installs it): %v\n", err)
		os.Exit(1)
	}
	code := m.Run()
	end()
	stop()
	os.Exit(code)
}

// axe is the script of axe-core, which knows what keeps people from using a page.
var axe string

func fetchAxe() (string, error) {
	cmd := exec.Command("../servers/install-axe")
	cmd.Stderr = os.Stderr
	path, err := cmd.Output()
	if err != nil {
		return "", err
	}
	script, err := os.ReadFile(strings.TrimSpace(string(path)))
	return string(script), err
}

// site is a daemon's pages over a real journal.
type site struct {
	url     string
	journal *journal.Store
	acts    *acts
}

// acts notes what it was asked to do, and does to the journal what the pages show of it.
type acts struct {
	web.Operator
	journal *journal.Store
	mu      sync.Mutex
	did     []string
}

func (a *acts) note(what string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.did = append(a.did, what)
}

func (a *acts) done() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return fmt.Sprint(a.did)
}

func (a *acts) Rotate(_ context.Context, c rotator.CredentialID, reason rotator.Reason, _ string) (rotator.Rotation, error) {
	a.note("rotate " + c.String() + " " + string(reason))
	return rotator.Rotation{}, nil
}

func (a *acts) Hold(ctx context.Context, h rotator.Hold) error {
	a.note("hold " + h.CredentialID.String() + " " + h.Reason)
	return a.journal.PutHold(ctx, h)
}

func (a *acts) Release(ctx context.Context, c rotator.CredentialID, actor string) error {
	a.note("release " + c.String())
	return a.journal.Release(ctx, c, actor)
}

func (a *acts) Undo(_ context.Context, h rotator.Hold) (rotator.Rotation, error) {
	a.note("undo " + h.CredentialID.String())
	return rotator.Rotation{}, nil
}

func (a *acts) Approve(_ context.Context, provider, _ string, within time.Duration) (int, error) {
	a.note("approve " + provider + " " + within.String())
	return 3, nil
}

// ExplainDrill says what an engine that runs would.
func (a *acts) ExplainDrill(ctx context.Context, c rotator.CredentialID) (rotator.DrillPlan, error) {
	series, err := a.journal.Series(ctx, c)
	if err != nil {
		return rotator.DrillPlan{}, err
	}
	p := rotator.DrillPlan{CredentialID: c, Policy: "ci", OldKey: rotator.KeyRef{ID: series[0].ID, Name: series[0].Name}, NewKey: rotator.KeyRef{Name: rotator.KeyName(c.Base, series[0].Version+1)},
		Terms: rotator.Terms{Grace: 6 * day, Idle: day}, WindowOpens: time.Now().Add(9 * time.Hour), Sinks: []rotator.SinkProgress{{Sink: "vault", Location: "secret/cc/" + c.UserID + "/ci"}}}
	if len(series) > 1 {
		p.Obstacle = "a rotation of " + c.String() + " is under way already, and is as good as a drill"
	}
	return p, nil
}

func (a *acts) Drill(_ context.Context, c rotator.CredentialID, keyID, _ string) (rotator.Rotation, error) {
	a.note("drill " + c.String() + " " + keyID)
	return rotator.Rotation{}, nil
}

func (a *acts) Verify(ctx context.Context, q rotator.VerifyQuery, p rotator.VerifyProgress) error {
	a.note("verify " + q.String())
	v := rotator.Verification{CredentialID: q.One, Policy: "ci", At: time.Now(), Outcome: rotator.VerifiedOK, SignsIn: true,
		Sinks: []rotator.VerifySink{{Sink: "vault", Location: "secret/" + q.One.UserID, Matches: true, Fingerprint: "fp-verified"}}}
	if err := p.Total(1); err != nil {
		return err
	}
	if err := a.journal.SaveVerifications(ctx, []rotator.Verification{v}); err != nil {
		return err
	}
	return p.Verified(v)
}

// serve starts pages over a journal with so many credentials of provider cc.
func serve(t *testing.T, credentials int) *site {
	t.Helper()
	store, err := journal.Open(t.Context(), filepath.Join(t.TempDir(), "journal.db"), journal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	seed(t, store, credentials)
	s := &site{journal: store, acts: &acts{journal: store}}
	server, err := web.New(web.Options{Journal: store, Operator: s.acts, Audit: store, Forecaster: forecaster(t, store), Prover: s.acts, Incidents: store,
		Providers: func() []string { return []string{"cc", "digicert-one"} }, Policies: func() []string { return []string{"ci"} },
		KeySettings: func(string, string) rotator.KeySettings {
			return rotator.KeySettings{Labels: map[string]string{"team": "platform"}}
		},
		Metrics: prometheus.NewRegistry(), Version: "1.2.3", Reload: func(context.Context) error { return nil }})
	if err != nil {
		t.Fatal(err)
	}
	server.SetReady()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.url = "http://" + l.Addr().String()
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(ctx, l) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		_ = store.Close()
	})
	return s
}

// seed stores credentials whose keys live for months, the first of them with a key that waits for approval.
func seed(t *testing.T, store *journal.Store, n int) {
	t.Helper()
	now := time.Now().UTC()
	const batch = 5000
	for from := 0; from < n; from += batch {
		var users []rotator.UserRow
		var keys []rotator.KeyRow
		for i := from; i < min(from+batch, n); i++ {
			user := credential(i).UserID
			users = append(users, rotator.UserRow{ServiceUser: rotator.ServiceUser{ID: user, Name: "Build " + user, Active: true}, Sum: 1})
			due := now.Add(time.Duration(i%2000+1) * time.Hour)
			keys = append(keys, rotator.KeyRow{Sum: 1, TrackedKey: rotator.TrackedKey{Provider: "cc", Base: "ci", Version: 1, Policy: "ci", Due: due, LookAt: due,
				Deadline: due.AddDate(0, 0, 30), Key: rotator.Key{ID: keyID(i), UserID: user, Name: "ci-r0001", State: rotator.KeyActive,
					Created: now.AddDate(0, 0, -(i % 200)), Expires: due.AddDate(0, 0, 30), LastUsed: now.Add(-time.Hour)}}})
		}
		if err := store.Merge(t.Context(), "cc", users, keys); err != nil {
			t.Fatal(err)
		}
	}
	state := rotator.ProviderState{Provider: "cc", LastScan: now, Users: n, Keys: n, Managed: n, Awaiting: 3, AwaitingSince: now.Add(-time.Hour)}
	if err := store.SaveProviderState(t.Context(), state); err != nil {
		t.Fatal(err)
	}
}

// rotate begins rotations of three credentials of a hundred, beside those that other tests look at, and has half of these wait for a person.
func rotate(t *testing.T, store *journal.Store, credentials int) {
	t.Helper()
	now := time.Now().UTC()
	begins, running := errgroup.WithContext(t.Context())
	begins.SetLimit(64) // they share the syncs of the disk
	for n := range credentials * 3 / 100 {
		i := n + 10
		r := rotator.Rotation{CredentialID: credential(i), ServiceUser: "Build " + credential(i).UserID, Policy: "ci", Reason: rotator.ReasonExpiring, Version: 2,
			OldKey: rotator.KeyRef{ID: keyID(i), Name: "ci-r0001"}, Deadline: now.AddDate(0, 0, 30),
			Sinks: []rotator.SinkProgress{{Sink: "vault", Location: "secret/cc/" + credential(i).UserID}}}
		c := rotator.Plan(fmt.Sprintf("r-%06d", i), r, now, "its key expires")
		c.After.NextAt = now.Add(time.Hour)
		if n%2 == 0 {
			c.After.Blocked, c.After.BlockedSince, c.After.Trouble = rotator.BlockAtKeyCap, now.Add(-time.Hour), "the user has as many keys as it may"
		}
		begins.Go(func() error { return store.Commit(running, c) })
	}
	if err := begins.Wait(); err != nil {
		t.Fatal(err)
	}
}

func credential(i int) rotator.CredentialID {
	return rotator.CredentialID{Provider: "cc", UserID: fmt.Sprintf("u%06d", i), Base: "ci"}
}

func keyID(i int) string { return fmt.Sprint(700_000 + i) }

// tab is one page of the browser. What it writes to the console as an error fails the test.
type tab struct {
	t   *testing.T
	ctx context.Context
	url string

	mu    sync.Mutex
	cries []string
	// deaf does not mind what the console says.
	deaf bool
}

func (s *site) open(t *testing.T) *tab {
	t.Helper()
	ctx, closeTab := chromedp.NewContext(browser)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatal(err)
	}
	limited, cancel := context.WithTimeout(ctx, 3*time.Minute) // the machine may be busy
	p := &tab{t: t, ctx: limited, url: s.url}
	if err := chromedp.Listen(ctx, p.hear); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		closeTab()
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, cry := range p.cries {
			if p.deaf {
				break
			}
			t.Errorf("the console says: %s", cry)
		}
	})
	return p
}

// hear keeps what the page's console says is wrong.
func (p *tab) hear(event any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		p.cries = append(p.cries, fmt.Sprintf("%+v", e.ExceptionDetails))
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError {
			p.cries = append(p.cries, e.Entry.Text+" "+e.Entry.URL)
		}
	}
}

func (p *tab) do(actions ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	if err := chromedp.Do(p.ctx, actions...); err != nil {
		p.t.Fatal(err)
	}
}

// run is do for an action that has a result.
func run[T any](p *tab, a chromedp.Action[T]) T {
	p.t.Helper()
	v, err := chromedp.Run(p.ctx, a)
	if err != nil {
		p.t.Fatal(err)
	}
	return v
}

func (p *tab) visit(path string) { p.t.Helper(); p.do(chromedp.Navigate(p.url + path)) }

// look makes the tab as wide as a device, in its colours.
func (p *tab) look(width int64, scheme string) {
	p.t.Helper()
	p.do(chromedp.EmulateViewport(width, 900))
	media := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}}
	if _, err := chromedp.Call(p.ctx, emulation.SetEmulatedMedia, media); err != nil {
		p.t.Fatal(err)
	}
}

// awaits waits until the page holds the text.
func (p *tab) awaits(text string) {
	p.t.Helper()
	run(p, chromedp.Poll[bool](fmt.Sprintf("document.body?.innerText.includes(%q)", text), chromedp.WithPollingTimeout(15*time.Second)))
}

func (p *tab) shoot(name string) {
	p.t.Helper()
	picture := run(p, chromedp.FullScreenshot(100))
	dir := filepath.Join("..", "..", "dist", "screenshots")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name+".png"), picture, 0o644); err != nil {
		p.t.Fatal(err)
	}
}
