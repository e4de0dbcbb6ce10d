package bench

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/rotator/engine"
	"github.com/rotatord/rotatord/rotator/journal"
	"github.com/rotatord/rotatord/web"
)

// How large the fleets of [BenchmarkPages] are. Three of a hundred credentials are being rotated, and half of these wait for a person:
// in the large fleet more than a page reads.
const (
	fleetSize, smallFleet = 100_000, 1_000
	samples               = 20
)

// pagesAndLists are what somebody opens in a browser, and what programs page through. QUIET, LATE and LAST are users at nine tenths of
// a fleet, near its end and at its end.
var pagesAndLists = []struct{ name, path string }{
	{"now", "/"},
	{"credential", "/credentials/cc/00000007/key"},
	{"credential-quiet", "/credentials/cc/QUIET/key"},
	{"provider", "/providers/cc"},
	{"calendar", "/calendar"},
	{"fleet", "/fleet"},
	{"fleet-last", "/fleet?after_provider=cc&after_user=LATE&after=key"},
	{"fleet-blocked", "/fleet?state=blocked"},
	{"fleet-owner", "/fleet?owner=platform&state=waiting"},
	{"fleet-search-much", "/fleet?q=ci-"},
	{"fleet-search-little", "/fleet?q=LAST"},
	{"fleet-search-none", "/fleet?q=nowhere"},
	{"audit", "/audit"},
	{"audit-filtered", "/audit?actor=nobody"},
	{"runbooks", "/runbooks"},
	{"api-status", "/api/v1/status"},
	{"api-credentials", "/api/v1/credentials"},
	{"api-credentials-filtered", "/api/v1/credentials?label=team%3Dplatform"},
	{"api-credential", "/api/v1/credentials/cc/00000007/key"},
	{"api-keys", "/api/v1/keys?provider=cc"},
	{"api-histograms", "/api/v1/histograms"},
	{"api-holds", "/api/v1/holds"},
	{"api-freezes", "/api/v1/freezes"},
	{"api-rotations", "/api/v1/rotations"},
	{"api-rotation", "/api/v1/rotations/r-00000007"},
	{"api-service-users", "/api/v1/service-users"},
	{"api-audit", "/api/v1/audit"},
	{"api-plan", "/api/v1/plan?for=72h"},
	{"metrics", "/metrics"},
}

// BenchmarkPages asks for every page and every list of the API in a fleet of 100,000 credentials and in one of 1,000, over a real
// connection, one request after the other, once each was asked for. cpu-ms is the processor time of one request, client included, which
// other work on the machine disturbs less; x-of-1000 is how many times that of the small fleet it is.
func BenchmarkPages(b *testing.B) {
	large, small := site{url: servePages(b, fleetSize), size: fleetSize}, site{url: servePages(b, smallFleet), size: smallFleet}
	large.warm(b)
	small.warm(b)
	for _, p := range pagesAndLists {
		b.Run(p.name, func(b *testing.B) {
			var all, few asked
			for b.Loop() {
				for range samples {
					all.add(large.fetch(b, p.path))
					few.add(small.fetch(b, p.path))
				}
			}
			slices.Sort(all.took)
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(ms(all.took[len(all.took)/2]), "ms/p50")
			b.ReportMetric(ms(all.took[len(all.took)*95/100]), "ms/p95")
			b.ReportMetric(all.cpu(), "cpu-ms")
			b.ReportMetric(all.cpu()/few.cpu(), "x-of-1000")
		})
	}
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// asked is what requests took, by the clock and of the processor.
type asked struct {
	took []time.Duration
	used []time.Duration
}

func (a *asked) add(took, used time.Duration) {
	a.took, a.used = append(a.took, took), append(a.used, used)
}

// cpu is the median: what else the process does, collecting garbage for instance, is not always a request's own.
func (a *asked) cpu() float64 {
	slices.Sort(a.used)
	return ms(a.used[len(a.used)/2])
}

// site is where the pages of a fleet are.
type site struct {
	url  string
	size int
}

// warm asks for everything once, and for a search until its names are read.
func (s site) warm(b *testing.B) {
	b.Helper()
	for _, p := range pagesAndLists {
		s.fetch(b, p.path)
	}
	for end := time.Now().Add(time.Minute); ; {
		if _, used := s.fetch(b, "/api/v1/credentials?search=LAST"); used < 10*time.Millisecond || time.Now().After(end) {
			return
		}
	}
}

// fetch returns what one request took, by the clock and of this process's processor time.
func (s site) fetch(b *testing.B, path string) (took, used time.Duration) {
	b.Helper()
	user := func(i int) string { return fmt.Sprintf("%08d", i) }
	path = strings.NewReplacer("QUIET", user(s.size*9/10), "LATE", user(s.size-100), "LAST", user(s.size-1)).Replace(path)
	start, before := time.Now(), cpu()
	fetch(b, http.DefaultClient, s.url+path)
	return time.Since(start), cpu() - before
}

func fetch(b *testing.B, client *http.Client, url string) {
	b.Helper()
	resp, err := client.Get(url)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		b.Fatalf("%s answers %s: %v: %s", url, resp.Status, err, body[:min(len(body), 300)])
	}
}

// cpu is the processor time that this process has used.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err) // the arguments are valid
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// servePages serves a busy fleet on loopback and returns its address.
func servePages(b *testing.B, size int) string {
	b.Helper()
	store, err := journal.Open(b.Context(), trackedJournal(b, size), journal.Options{})
	if err != nil {
		b.Fatal(err)
	}
	if err := busy(b.Context(), store, size); err != nil {
		b.Fatal(err)
	}
	setup, err := newSetup(newFleet(1, time.Now()), 16)
	if err != nil {
		b.Fatal(err)
	}
	foresees := engine.New(engine.Options{Store: store, Sealer: newSealer()}, setup)
	server, err := web.New(web.Options{Journal: store, Operator: foresees, Forecaster: foresees, Audit: store, Metrics: prometheus.NewRegistry(),
		Providers: func() []string { return []string{account} }, Policies: func() []string { return []string{"all"} },
		KeySettings: func(string, string) rotator.KeySettings {
			return rotator.KeySettings{Labels: map[string]string{"team": "platform"}}
		},
		Version: "bench", Reload: func(context.Context) error { return nil }})
	if err != nil {
		b.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(ctx, l) }()
	b.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			b.Error(err)
		}
		if err := store.Close(); err != nil {
			b.Error(err)
		}
	})
	return "http://" + l.Addr().String()
}

// busy begins rotations of the first credentials, and blocks the first of these.
func busy(ctx context.Context, store *journal.Store, size int) error {
	now := time.Now().UTC()
	begins, running := errgroup.WithContext(ctx)
	begins.SetLimit(64) // they share the syncs of the disk
	for i := range size * 3 / 100 {
		begins.Go(func() error { return begin(running, store, i, i < size*3/200, now) })
	}
	if err := begins.Wait(); err != nil {
		return err
	}
	return store.SaveProviderState(ctx, rotator.ProviderState{Provider: account, LastScan: now, Users: size, Keys: size, Managed: size})
}

func begin(ctx context.Context, store *journal.Store, i int, blocked bool, now time.Time) error {
	user := fmt.Sprintf("%08d", i)
	id := "r-" + user
	if _, err := store.Rotation(ctx, id); err == nil {
		return nil // this journal is busy already
	}
	r := rotator.Rotation{CredentialID: rotator.CredentialID{Provider: account, UserID: user, Base: "key"}, ServiceUser: "ci-" + user, Policy: "all", Reason: rotator.ReasonMaxAge,
		Version: 1, OldKey: rotator.KeyRef{ID: fmt.Sprintf("%09d", i), Name: "key"}, Deadline: now.Add(20 * day),
		Sinks: []rotator.SinkProgress{{Sink: "vault", Location: "secret/cc/" + user}, {Sink: "disk", Location: "/keys/" + user}}}
	c := rotator.Plan(id, r, now, "the key nears its maximal age")
	c.After.NextAt = now.Add(time.Hour)
	if blocked {
		c.After.Blocked, c.After.BlockedSince, c.After.Trouble = rotator.BlockAtKeyCap, now.Add(-time.Hour), strings.Repeat("the user has as many keys as it may; ", 3)
	}
	return store.Commit(ctx, c)
}
