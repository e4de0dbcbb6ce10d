package bench

import (
	"fmt"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rotatord/rotatord/emulator"
	"github.com/rotatord/rotatord/rotator/seal"
)

// example is the configuration that the daemon runs on here, but for its addresses and folders.
const example = "../../deploy/rotatord.example.yaml"

// BenchmarkDaemon measures the real binary, built as "make build" builds it, on the example configuration:
//
//	binary          its size
//	start           the time from its start until /-/ready says so, beside that of "rotatord version", which only loads it
//	idle/keys=N     its resident memory once it has scanned an account with so many keys and come to rest
func BenchmarkDaemon(b *testing.B) {
	binary := build(b)
	b.Run("binary", func(b *testing.B) {
		info, err := os.Stat(binary)
		if err != nil {
			b.Fatal(err)
		}
		for b.Loop() {
			b.ReportMetric(float64(info.Size())/(1<<20), "MiB")
		}
		b.ReportMetric(0, "ns/op")
	})
	b.Run("start", func(b *testing.B) {
		home := newHome(b, 0)
		startDaemon(b, binary, home).stop() // makes the journal, which every later start finds
		ready, loaded := time.Hour, time.Hour
		for b.Loop() {
			for range 10 {
				d := startDaemon(b, binary, home)
				ready, loaded = min(ready, d.ready), min(loaded, version(b, binary))
				d.stop()
			}
		}
		b.ReportMetric(0, "ns/op")
		b.ReportMetric(float64(ready.Microseconds())/1000, "ms-ready")
		b.ReportMetric(float64(loaded.Microseconds())/1000, "ms-version")
		b.ReportMetric(ready.Seconds()/loaded.Seconds(), "x-of-version")
	})
	for _, users := range []int{10, scanUsers} {
		b.Run(fmt.Sprint("idle/keys=", users*scanKeys/scanUsers), func(b *testing.B) {
			var now, peak float64
			for b.Loop() {
				d := startDaemon(b, binary, newHome(b, users))
				d.awaitScan(users)
				now, peak = d.atRest()
				d.stop()
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(now, "MiB-idle")
			b.ReportMetric(peak, "MiB-peak")
		})
	}
}

var built = struct {
	sync.Mutex
	dir string
}{}

// build makes the binary, once, with the flags of "make build".
func build(b *testing.B) string {
	b.Helper()
	built.Lock()
	defer built.Unlock()
	if built.dir == "" {
		dir, err := os.MkdirTemp("", "rotatord-bench-")
		if err != nil {
			b.Fatal(err)
		}
		built.dir = dir
		cmd := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w -X main.version=bench", "-o", filepath.Join(dir, "rotatord"), "../../cmd/rotatord")
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			b.Fatalf("go build: %v\n%s", err, out)
		}
	}
	return filepath.Join(built.dir, "rotatord")
}

// newHome writes the configuration and what it needs into a folder, beside an emulator of so many users, and returns the
// folder. The provider's rates, which would make a scan of many pages wait, are switched off.
func newHome(b *testing.B, users int) string {
	b.Helper()
	home := b.TempDir()
	account := emulator.NewCertCentral(emulator.CertCentralOptions{Rates: []emulator.Rate{}})
	account.AddFleet(users, scanKeys/scanUsers, time.Now().Add(-10*day))
	server := httptest.NewServer(account)
	b.Cleanup(server.Close)
	text, err := os.ReadFile(example)
	if err != nil {
		b.Fatal(err)
	}
	config := strings.NewReplacer(
		"/run/credentials/rotatord.service", home, "/var/lib/rotatord", home,
		"127.0.0.1:9650", freeAddress(b), "https://www.digicert.com/services/v2", server.URL+account.BasePath()+"\n    rates: []",
	).Replace(string(text))
	for name, content := range map[string]string{
		"rotatord.yaml": config, "seal.key": seal.NewKey(), "certcentral.key": account.ManagerSecret(), "vault-secret-id": "none",
	} {
		if err := os.WriteFile(filepath.Join(home, name), []byte(content), 0o400); err != nil {
			b.Fatal(err)
		}
	}
	return home
}

func freeAddress(b *testing.B) string {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// daemon is a running rotatord.
type daemon struct {
	b     *testing.B
	cmd   *exec.Cmd
	log   *os.File
	base  string
	ready time.Duration
}

// startDaemon returns once the daemon is ready.
func startDaemon(b *testing.B, binary, home string) *daemon {
	b.Helper()
	config := filepath.Join(home, "rotatord.yaml")
	text, err := os.ReadFile(config)
	if err != nil {
		b.Fatal(err)
	}
	_, listen, _ := strings.Cut(string(text), "listen: ")
	listen, _, _ = strings.Cut(listen, "\n")
	d := &daemon{b: b, cmd: exec.Command(binary, "run", "--config", config), base: "http://" + listen}
	if d.log, err = os.Create(filepath.Join(home, "log")); err != nil {
		b.Fatal(err)
	}
	defer d.log.Close()
	d.cmd.Stdout, d.cmd.Stderr = d.log, d.log
	began := time.Now()
	if err := d.cmd.Start(); err != nil {
		b.Fatal(err)
	}
	d.awaitReady(began)
	return d
}

// awaitReady asks again and again, so often that the asking adds less than a millisecond.
func (d *daemon) awaitReady(began time.Time) {
	d.b.Helper()
	tick := time.NewTicker(500 * time.Microsecond)
	defer tick.Stop()
	for range tick.C {
		resp, err := http.Get(d.base + "/-/ready")
		if err == nil {
			_ = resp.Body.Close()
		}
		d.ready = time.Since(began)
		if err == nil && resp.StatusCode == http.StatusOK {
			return
		}
		if d.ready > time.Minute {
			d.stop()
			d.b.Fatalf("the daemon is not ready after a minute: %v\n%s", err, d.logged())
		}
	}
}

// stop ends the daemon as systemd would.
func (d *daemon) stop() {
	d.b.Helper()
	_ = d.cmd.Process.Signal(syscall.SIGTERM)
	if err := d.cmd.Wait(); err != nil {
		d.b.Fatalf("the daemon ended badly: %v\n%s", err, d.logged())
	}
}

// awaitScan returns when the daemon has scanned the whole account. It reads the log, because a question to the daemon
// would cost memory of its own.
func (d *daemon) awaitScan(users int) {
	d.b.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for range tick.C {
		log := d.logged()
		_, line, complete := strings.Cut(log, `"msg":"scan complete"`)
		if !complete {
			continue
		}
		if !strings.Contains(line, fmt.Sprintf(`"users":%d,`, users)) {
			d.b.Fatalf("the scan did not see %d users:\n%s", users, log)
		}
		return
	}
}

func (d *daemon) logged() string {
	d.b.Helper()
	text, err := os.ReadFile(d.log.Name())
	if err != nil {
		d.b.Fatal(err)
	}
	return string(text)
}

// atRest returns the daemon's memory once it has stayed the same for three seconds, and its peak.
func (d *daemon) atRest() (now, peak float64) {
	d.b.Helper()
	pid := strconv.Itoa(d.cmd.Process.Pid)
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for before, same := 0.0, 0; same < 3; before = now {
		<-tick.C
		var err error
		if now, err = mebibytes(pid, resident); err != nil {
			d.b.Fatal(err)
		}
		if same++; math.Abs(now-before) > 0.5 {
			same = 0
		}
	}
	peak, err := mebibytes(pid, peakResident)
	if err != nil {
		d.b.Fatal(err)
	}
	return now, peak
}

// version is how long the binary takes to say which it is.
func version(b *testing.B, binary string) time.Duration {
	b.Helper()
	began := time.Now()
	if out, err := exec.Command(binary, "version").CombinedOutput(); err != nil {
		b.Fatalf("rotatord version: %v\n%s", err, out)
	}
	return time.Since(began)
}

// removeBuilt deletes the binary.
func removeBuilt() {
	if built.dir != "" {
		_ = os.RemoveAll(built.dir) // a leftover in the folder for temporary files
	}
}
