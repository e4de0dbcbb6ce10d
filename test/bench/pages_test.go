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

	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/rotator/engine"
	"github.com/rotatord/rotatord/rotator/journal"
	"github.com/rotatord/rotatord/web"
)

// How large the fleet of [BenchmarkPages] is: its credentials, those that are being rotated, and those of them that wait for a
// person, which are more than a page reads.
const (
	fleetSize, fleetOpen, fleetBlocked = 100_000, 3_000, 1_500
	samples                            = 40
)

// pagesAndLists are what somebody opens in a browser, and what programs page through.
var pagesAndLists = []struct{ name, path string }{
	{"now", "/"},
	{"credential", "/credentials/cc/00000007/key"},
	{"credential-quiet", "/credentials/cc/00090000/key"},
	{"provider", "/providers/cc"},
	{"calendar", "/calendar"},
	{"fleet", "/fleet"},
	{"fleet-last", "/fleet?after_provider=cc&after_user=00099900&after=key"},
	{"fleet-blocked", "/fleet?state=blocked"},
	{"fleet-owner", "/fleet?owner=platform&state=waiting"},
	{"fleet-search-much", "/fleet?q=ci-"},
	{"fleet-search-little", "/fleet?q=00099999"},
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

// BenchmarkPages asks for every page and every list of the API in a fleet of 100,000 credentials, over a real connection, one
// request after the other, once each was asked for once. cpu-ms is the processor time of one request, client included, which
// other work on the machine disturbs less.
func BenchmarkPages(b *testing.B) {
	url := servePages(b)
	client := &http.Client{Transport: &http.Transport{DisableCompression: true}}
	for _, p := range pagesAndLists {
		b.Run(p.name, func(b *testing.B) {
			fetch(b, client, url+p.path)
			var all []time.Duration
			began := cpu()
			for b.Loop() {
				for range samples {
					start := time.Now()
					fetch(b, client, url+p.path)
					all = append(all, time.Since(start))
				}
			}
			spent := cpu() - began
			slices.Sort(all)
			ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(ms(all[len(all)/2]), "ms/p50")
			b.ReportMetric(ms(all[len(all)*95/100]), "ms/p95")
			b.ReportMetric(ms(all[len(all)-1]), "ms/worst")
			b.ReportMetric(ms(spent)/float64(len(all)), "cpu-ms")
		})
	}
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
func servePages(b *testing.B) string {
	b.Helper()
	store, err := journal.Open(b.Context(), trackedJournal(b, fleetSize), journal.Options{})
	if err != nil {
		b.Fatal(err)
	}
	if err := busy(b.Context(), store); err != nil {
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
func busy(ctx context.Context, store *journal.Store) error {
	now := time.Now().UTC()
	for i := range fleetOpen {
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
		if i < fleetBlocked {
			c.After.Blocked, c.After.BlockedSince, c.After.Trouble = rotator.BlockAtKeyCap, now.Add(-time.Hour), strings.Repeat("the user has as many keys as it may; ", 3)
		}
		if err := store.Commit(ctx, c); err != nil {
			return err
		}
	}
	return store.SaveProviderState(ctx, rotator.ProviderState{Provider: account, LastScan: now, Users: fleetSize, Keys: fleetSize, Managed: fleetSize})
}
