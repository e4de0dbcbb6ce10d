package e2e

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rotatord/rotatord/emulator"
	"github.com/rotatord/rotatord/test/daemon"
)

// handed is a daemon that finds those open files as systemd leaves them, at a configured address that it is not to use.
func handed(t *testing.T, files ...*os.File) *daemon.Daemon {
	t.Helper()
	e := daemon.Emulate(t, emulator.CertCentralOptions{Rates: []emulator.Rate{}})
	return daemon.New(t, daemon.Config{
		Handed: files,
		// LISTEN_PID is the process that the sockets are for: the shell becomes it.
		Under: []string{"sh", "-c", fmt.Sprintf(`LISTEN_PID=$$ LISTEN_FDS=%d exec "$@"`, len(files)), "sh"},
		Files: map[string]string{"cc.key": e.ManagerSecret()},
		YAML: fmt.Sprintf(`server: {listen: "127.0.0.1:1"}
scan: {schedule: "@every 1h"}
providers:
  - {name: cc, %s}
sinks:
  - {name: disk, type: file, path: "$DIR/keys/{{.ServiceUser}}"}
policies:
  - {name: all, max_age: 90d, renew_before: 30d, grace: 7d, sinks: [disk]}
`, e.Options(e.Root)),
	})
}

// socket listens as systemd does for a socket unit, also while no daemon runs.
func socket(t *testing.T, network, address string) (*os.File, net.Addr) {
	t.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	if u, ok := l.(*net.UnixListener); ok {
		u.SetUnlinkOnClose(false)
	}
	f, err := l.(interface{ File() (*os.File, error) }).File()
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil { // the file is another descriptor of the same socket
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f, l.Addr()
}

// ask sends one request over a connection and returns what came back, once somebody answers.
func ask(t *testing.T, conn net.Conn) string {
	t.Helper()
	if err := conn.SetDeadline(time.Now().Add(daemon.Patience)); err != nil {
		t.Fatal(err)
	}
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatalf("on the socket of systemd: %v", err)
	}
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.Status + " " + string(body)
}

// TestTheSocketOfSystemdIsServed: a request that arrives before the daemon runs, or between two of its lives, is answered, and the
// configured address is left alone.
func TestTheSocketOfSystemdIsServed(t *testing.T) {
	t.Parallel()
	daemon.Binary(t)
	for _, at := range []struct{ network, address string }{{"tcp", "127.0.0.1:0"}, {"unix", filepath.Join(t.TempDir(), "rotatord.sock")}} {
		t.Run(at.network, func(t *testing.T) {
			t.Parallel()
			file, address := socket(t, at.network, at.address)
			d := handed(t, file)
			for range 2 {
				early, err := net.Dial(at.network, address.String())
				if err != nil {
					t.Fatalf("while no daemon runs: %v", err)
				}
				defer early.Close()
				if _, err := io.WriteString(early, "GET /-/healthy HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"); err != nil {
					t.Fatal(err)
				}
				d.Launch()
				if got := ask(t, early); !strings.HasPrefix(got, "200 OK") {
					t.Errorf("who came early is answered %s", got)
				}
				daemon.Await(t, daemon.Patience, "the log to say where it listens", func() error {
					if !strings.Contains(d.Logs(), address.String()) {
						return errors.New("it does not")
					}
					return nil
				})
				d.Stop()
			}
		})
	}
}

// TestSocketsThatWillNotDo: what systemd hands over and cannot be served is an error, and no reason to listen elsewhere.
func TestSocketsThatWillNotDo(t *testing.T) {
	t.Parallel()
	daemon.Binary(t)
	one, _ := socket(t, "tcp", "127.0.0.1:0")
	two, _ := socket(t, "tcp", "127.0.0.1:0")
	plain, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	for name, files := range map[string][]*os.File{"two": {one, two}, "one that is no socket": {plain}} {
		d := handed(t, files...)
		d.Launch()
		if code := d.Exit(); code == 0 || !strings.Contains(d.Logs(), fmt.Sprintf("hands over %d sockets", len(files))) {
			t.Errorf("%s: it ends with %d: %s", name, code, d.Logs())
		}
	}
}
