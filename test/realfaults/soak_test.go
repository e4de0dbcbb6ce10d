package realfaults

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/rotatord/rotatord/emulator"
	"github.com/rotatord/rotatord/test/daemon"
)

// How long the soak is at least, and how many service users there are at each of its providers. With keys of seconds in place of days, the
// daemon does as much in that time as in a day of a fleet whose every key is replaced several times an hour.
const (
	soakFor   = 60 * time.Second
	soakUsers = 100
	// soakEnds is when rotations as many as there are users at a provider have to be over, however slow the disk is.
	soakEnds = 5 * time.Minute
	// soakPolicy makes a key due at an age of 15 to 30 seconds.
	soakPolicy = "max_age: 60s, renew_before: 30s, grace: 2s, idle: 0s, soak: 0s, jitter: 50%"
)

// named is a system under another name, so that one daemon may have several of a kind.
type named struct {
	daemon.System
	name string
}

// Name tells it from its like.
func (n named) Name() string { return n.name }

// Options name another file for its credential.
func (n named) Options(root string) string {
	return strings.ReplaceAll(n.System.Options(root), "/"+n.System.Name()+".key", "/"+n.name+".key")
}

// soaked are the providers of the soak.
func soaked(t *testing.T) []*daemon.Emulator {
	t.Helper()
	free := []emulator.Rate{}
	return []*daemon.Emulator{
		daemon.Serve(t, daemon.CertCentral(emulator.NewCertCentral(emulator.CertCentralOptions{Rates: free}))),
		daemon.Serve(t, named{daemon.CertCentral(emulator.NewCertCentral(emulator.CertCentralOptions{Rates: free})), "second"}),
		daemon.Serve(t, daemon.DigiCertOneTokens(emulator.NewDigiCertOne(emulator.DigiCertOneOptions{Rates: free, NamesPerUser: true}))),
	}
}

// sample is what the daemon used at a moment.
type sample struct{ rss, heap, goroutines, files float64 }

// TestSoak runs a fleet whose keys live for seconds, with scans every second and somebody who looks at everything. Between the
// second quarter and the last, what the daemon uses does not grow. It runs before the tests that run at the same time as others, so that
// nothing else in this package keeps the machine busy.
func TestSoak(t *testing.T) {
	daemon.Binary(t)
	providers, files := "", map[string]string{}
	systems := soaked(t)
	for _, e := range systems {
		providers += fmt.Sprintf("  - {name: %s, %s, propagation: 1s, rates: [{requests: 1000000, per: 1s}]}\n", e.Name(), e.Options(e.Root))
		files[e.Name()+".key"] = e.ManagerSecret()
	}
	d := daemon.New(t, daemon.Config{Files: files, YAML: fmt.Sprintf(`scan: {schedule: "@every 1s"}
providers:
%ssinks:
  - {name: disk, type: file, path: "$DIR/keys/{{.Provider}}/{{.ServiceUser}}"}
policies:
  - {name: all, match: {keys: [deploy]}, %s, sinks: [disk]}
limits: {max_share_per_scan: 100%%, always_allowed: 1000, halt_after_failures: 1000, concurrent_rotations: 8}
`, providers, soakPolicy)})
	var consumers []*daemon.Consumer
	for _, e := range systems {
		for i := range soakUsers {
			s := e.AddService(fmt.Sprintf("svc-%d", i), "deploy", time.Duration(i)*20*time.Second/soakUsers)
			if i%10 == 0 {
				read := daemon.FileReader(d.Path("keys/" + e.Name() + "/" + s.Name))
				consumers = append(consumers, e.Consume(t, e.Name()+"/"+s.Name, s.Secret, read, 500*time.Millisecond))
			}
		}
	}
	d.Start()
	quarters := watch(t, d)
	flat(t, quarters[1], quarters[3])
	bounded(t, d)
	for _, c := range consumers {
		c.Stop()
		if bad := c.Failures(); bad != "" {
			t.Errorf("a consumer was left without a working key:\n%s", bad)
		}
	}
}

// watch looks at everything again and again until the soak is over, and returns the samples of each quarter of it.
func watch(t *testing.T, d *daemon.Daemon) (quarters [4][]sample) {
	t.Helper()
	began := time.Now()
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	var samples []sample
	for done := 0.0; time.Since(began) < soakFor || done < soakUsers && time.Since(began) < soakEnds; {
		<-tick.C
		for _, path := range []string{"/", "/api/v1/status", "/api/v1/rotations?state=ended&limit=100", "/-/ready"} {
			if status, body := d.Get(path); status != 200 {
				t.Errorf("GET %s answers %d: %s", path, status, body)
			}
		}
		samples = append(samples, sampleOf(t, d))
		done, _ = d.Metric("rotatord_rotations_total", `result="done"`)
	}
	for i, now := range samples {
		q := 4 * i / len(samples)
		quarters[q] = append(quarters[q], now)
	}
	return quarters
}

func sampleOf(t *testing.T, d *daemon.Daemon) (s sample) {
	t.Helper()
	_, text := d.Get("/metrics")
	found := 0
	for line := range strings.Lines(text) {
		for name, into := range map[string]*float64{
			"process_resident_memory_bytes": &s.rss, "go_memstats_heap_alloc_bytes": &s.heap, "go_goroutines": &s.goroutines, "process_open_fds": &s.files,
		} {
			if value, ok := strings.CutPrefix(line, name+" "); ok {
				if _, err := fmt.Sscan(value, into); err != nil {
					t.Fatalf("the metric %q: %v", line, err)
				}
				found++
			}
		}
	}
	if found != 4 {
		t.Fatalf("%d of 4 metrics are there", found)
	}
	return s
}

// flat compares two quarters by the least of each: the heap that is left after a collection, and the memory, goroutines and files of a
// moment at which little is in motion.
func flat(t *testing.T, early, late []sample) {
	t.Helper()
	if len(early) == 0 || len(late) == 0 {
		t.Fatalf("%d samples in the second quarter, %d in the last", len(early), len(late))
	}
	const mega = 1 << 20
	for _, m := range []struct {
		what        string
		of          func(sample) float64
		share, more float64
	}{
		{"heap after a collection", func(s sample) float64 { return s.heap }, 1.25, 4 * mega},
		{"resident memory", func(s sample) float64 { return s.rss }, 1.2, 16 * mega},
		{"goroutines", func(s sample) float64 { return s.goroutines }, 1, 16},
		{"open files", func(s sample) float64 { return s.files }, 1, 16},
	} {
		before, after := least(early, m.of), least(late, m.of)
		t.Logf("%s: %.0f in the second quarter, %.0f in the last", m.what, before, after)
		if most := before*m.share + m.more; after > most {
			t.Errorf("%s grew from %.0f to %.0f, at most %.0f is allowed", m.what, before, after, most)
		}
	}
}

func least(samples []sample, of func(sample) float64) float64 {
	found := of(samples[0])
	for _, s := range samples[1:] {
		found = min(found, of(s))
	}
	return found
}

// bounded checks that the journal grows with what is kept of each rotation alone, and its log not at all.
func bounded(t *testing.T, d *daemon.Daemon) {
	t.Helper()
	done, _ := d.Metric("rotatord_rotations_total", `result="done"`)
	if done < soakUsers {
		t.Errorf("%v rotations ended, want at least %d: the soak did not soak", done, soakUsers)
	}
	const base, each, log = 4 << 20, 24 << 10, 32 << 20
	for path, most := range map[string]int64{d.StorePath: base + int64(done)*each, d.StorePath + "-wal": log} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s has %d bytes after %v rotations", path, info.Size(), done)
		if info.Size() > most {
			t.Errorf("%s has %d bytes after %v rotations, at most %d are allowed", path, info.Size(), done, most)
		}
	}
}
