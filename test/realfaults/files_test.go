package realfaults

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rotatord/rotatord/test/daemon"
)

// limit changes how many file descriptors the running daemon may have.
func (x *site) limit(most uint64) {
	x.t.Helper()
	var old unix.Rlimit
	if err := unix.Prlimit(x.d.PID(), unix.RLIMIT_NOFILE, nil, &old); err != nil {
		x.t.Fatal(err)
	}
	if err := unix.Prlimit(x.d.PID(), unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: most, Max: old.Max}, nil); err != nil {
		x.t.Fatalf("this test limits the file descriptors of a running daemon, and may not: %v\nrun it as the daemon's user, or as root", err)
	}
}

// open counts the file descriptors that the daemon has.
func (x *site) open() int {
	x.t.Helper()
	found, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", x.d.PID()))
	if err != nil {
		x.t.Fatal(err)
	}
	return len(found)
}

// crowded is more connections than file descriptors are left.
const crowded = 200

// crowd holds connections to the daemon, ever more of them, so that no file descriptor is left. What it returns lets them go.
func (x *site) crowd(most int) (disperse func()) {
	x.t.Helper()
	x.limit(uint64(most)) // a small number
	address := strings.TrimPrefix(x.d.URL(), "http://")
	stop, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		var held []net.Conn
		for {
			if len(held) < crowded {
				if conn, err := net.DialTimeout("tcp", address, time.Second); err == nil {
					held = append(held, conn)
				}
			}
			select {
			case <-tick.C:
			case <-stop:
				for _, c := range held {
					_ = c.Close()
				}
				return
			}
		}
	}()
	x.await("no file descriptor to be left", func() error { n := x.open(); return want(n >= most, "%d of %d are open", n, most) })
	return func() {
		close(stop)
		<-ended
	}
}

// TestNoFileDescriptorLeft exhausts the daemon's file descriptors at the worst moments. It lives, says what is wrong, and once
// there are some again every key is in the hands of somebody.
func TestNoFileDescriptorLeft(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, request string
		after         bool
	}{
		{"before anything is due", "", false},
		{"while a key is made", daemon.RequestMint, false},
		{"after a key was made", daemon.RequestMint, true},
		{"before the new key is tried", daemon.RequestCheck, false},
		{"while the old key is revoked", daemon.RequestRevoke, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			x := prepare(t, setting{timing: asked})
			x.begin()
			x.sees()
			g := &gate{arrived: make(chan struct{}), open: make(chan struct{})}
			if tc.request != "" {
				g = x.hold(tc.request, tc.after)
				x.rotate()
				g.await(x)
			}
			disperse := x.crowd(x.open() + 4)
			close(g.open)
			x.logs("too many open files")
			x.breathless()
			disperse()
			x.limit(1024)
			x.await("the daemon to answer", func() error { return answers(x.d.URL() + "/-/ready") })
			x.quiet()
			if tc.request == "" {
				x.rotate()
			}
			x.goodEnd(0)
			for _, s := range x.services {
				if n := len(x.e.Active(s.UserID)); n != 1 {
					t.Errorf("%d keys are active, want 1: %+v", n, x.e.Keys(s.UserID))
				}
			}
		})
	}
}

// breathless checks that the daemon lives without file descriptors, for some scans.
func (x *site) breathless() {
	x.t.Helper()
	over := time.Now().Add(3 * time.Second)
	x.await("some time without file descriptors", func() error {
		if !x.d.Running() {
			x.t.Fatal("the daemon ended")
		}
		return want(time.Now().After(over), "it is not over")
	})
}

// answers asks with a connection of its own.
func answers(url string) error {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 2 * time.Second}
	answer, err := client.Get(url)
	if err != nil {
		return err
	}
	_ = answer.Body.Close()
	return want(answer.StatusCode == http.StatusOK, "it answers %s", answer.Status)
}
