package realfaults

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/rotatord/rotatord/test/realserver"
)

// wire is a network of the daemon's own, with this machine at the other end of its only cable. Everything that the daemon calls
// has an address of its own there, so that the way to one can be cut while another, and the tests' way to the daemon, stay.
type wire struct {
	t      *testing.T
	name   string // of the namespace
	prefix string // of its addresses
	issuer *realserver.Authority
}

// Addresses on the wire: this machine's own for the tests, and those of what the daemon calls; the daemon calls from one and
// listens at another.
const (
	testsHost    = 1
	providerHost = 2
	vaultHost    = 3
	daemonHost   = 10
	serverHost   = 11
)

var wires atomic.Int64

// Where iproute2 keeps the namespaces that have names, and what is theirs alone of /etc.
const (
	namespaces = "/run/netns"
	etcOfThem  = "/etc/netns"
)

// clearAway removes what test runs left that were killed: their networks would be taken for those of this one.
func clearAway() {
	left, _ := filepath.Glob(filepath.Join(namespaces, "rf*-*"))
	for _, path := range left {
		var pid, n int
		name := filepath.Base(path)
		if _, err := fmt.Sscanf(name, "rf%d-%d", &pid, &n); err != nil || syscall.Kill(pid, 0) == nil {
			continue
		}
		clearWire(name)
	}
}

// clearWire removes a namespace, its cable and what is its of /etc. Not all of it may be there.
func clearWire(name string) {
	_ = exec.Command("ip", "link", "del", outside(name)).Run()
	_ = exec.Command("ip", "netns", "del", name).Run()
	_ = os.RemoveAll(filepath.Join(etcOfThem, name))
}

// outside is the name of the end of a cable that is not in the namespace.
func outside(name string) string { return strings.ReplaceAll(name, "-", "v") }

// newWire makes a namespace and a cable to it.
func newWire(t *testing.T) *wire {
	t.Helper()
	n := wires.Add(1)
	w := &wire{t: t, name: fmt.Sprintf("rf%d-%d", os.Getpid(), n), prefix: fmt.Sprintf("10.213.%d.", n), issuer: realserver.NewAuthority(t)}
	hosts := filepath.Join(etcOfThem, w.name, "hosts")
	t.Cleanup(func() { clearWire(w.name) })
	w.ip("netns", "add", w.name)
	w.ip("link", "add", outside(w.name), "type", "veth", "peer", "name", "cable", "netns", w.name)
	for _, host := range []int{testsHost, providerHost, vaultHost} {
		w.ip("addr", "add", w.at(host)+"/24", "dev", outside(w.name))
	}
	w.ip("link", "set", outside(w.name), "up")
	for _, host := range []int{daemonHost, serverHost} {
		w.ip("-n", w.name, "addr", "add", w.at(host)+"/24", "dev", "cable")
	}
	w.ip("-n", w.name, "link", "set", "cable", "up")
	w.ip("-n", w.name, "link", "set", "lo", "up")
	text := fmt.Sprintf("127.0.0.1 localhost\n%s provider.test\n%s vault.test\n", w.at(providerHost), w.at(vaultHost))
	if err := os.MkdirAll(filepath.Dir(hosts), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(hosts, []byte(text), 0o644); err != nil { // every program of the namespace reads it
		t.Fatal(err)
	}
	return w
}

func (w *wire) at(host int) string { return fmt.Sprint(w.prefix, host) }

func (w *wire) ip(args ...string) {
	w.t.Helper()
	if out, err := exec.CommandContext(w.t.Context(), "ip", args...).CombinedOutput(); err != nil { // the test's own words
		w.t.Fatalf("ip %s: %v: %s\nthis test lays out a network of its own with Debian's iproute2, as root or in a user namespace: "+
			"unshare --user --map-root-user --net --mount go test ./test/realfaults", strings.Join(args, " "), err, out)
	}
}

// under is the command that runs the daemon on the wire.
func (w *wire) under() []string { return []string{"ip", "netns", "exec", w.name} }

// nowhere is a hardware address that nobody has: what is sent there vanishes, and nobody is told.
const nowhere = "02:00:00:00:00:0d"

// loseRequests makes what the daemon sends to that host vanish.
func (w *wire) loseRequests(host int) {
	w.t.Helper()
	w.ip("-n", w.name, "neigh", "replace", w.at(host), "lladdr", nowhere, "nud", "permanent", "dev", "cable")
}

// loseAnswers makes what the daemon is sent vanish, by whomever it calls.
func (w *wire) loseAnswers() {
	w.t.Helper()
	w.ip("neigh", "replace", w.at(daemonHost), "lladdr", nowhere, "nud", "permanent", "dev", outside(w.name))
}

// mend ends both.
func (w *wire) mend(host int) {
	w.t.Helper()
	_ = exec.Command("ip", "-n", w.name, "neigh", "del", w.at(host), "dev", "cable").Run() // there may be none
	_ = exec.Command("ip", "neigh", "del", w.at(daemonHost), "dev", outside(w.name)).Run() // as above
}

// end is one end of the wire: it speaks TLS for a server of this machine that does not.
type end struct {
	t       *testing.T
	address string
	target  string
	config  *tls.Config

	mu       sync.Mutex
	listener net.Listener // nil while connections are refused
	conns    map[*net.TCPConn]bool
}

// serve opens an end before a server, and returns it and what the daemon calls it.
func (w *wire) serve(host int, name, target string) (e *end, url string) {
	w.t.Helper()
	cert, key := w.issuer.Issue(w.t, name)
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		w.t.Fatal(err)
	}
	e = &end{t: w.t, address: w.at(host) + ":0", target: strings.TrimPrefix(target, "http://"), conns: map[*net.TCPConn]bool{},
		config: &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}}
	e.up()
	w.t.Cleanup(e.reset)
	_, port, _ := net.SplitHostPort(e.address)
	return e, "https://" + net.JoinHostPort(name, port)
}

// up lets connections in, at the same address as before.
func (e *end) up() {
	e.t.Helper()
	l, err := net.Listen("tcp", e.address)
	if err != nil {
		e.t.Fatal(err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.address, e.listener = l.Addr().String(), l
	go e.accept(l)
}

// reset refuses connections, and resets those that there are.
func (e *end) reset() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.listener != nil {
		_ = e.listener.Close()
		e.listener = nil
	}
	for c := range e.conns {
		abort(c)
	}
	clear(e.conns)
}

// abort ends a connection with a reset.
func abort(c *net.TCPConn) {
	_ = c.SetLinger(0)
	_ = c.Close()
}

// admit notes a connection that a listener accepted, and says false if the listener was closed meanwhile: it was accepted
// before the reset, which could not find it.
func (e *end) admit(l net.Listener, c *net.TCPConn) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.listener != l {
		return false
	}
	e.conns[c] = true
	return true
}

func (e *end) accept(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		in, ok := c.(*net.TCPConn)
		if !ok {
			_ = c.Close()
			continue
		}
		if !e.admit(l, in) {
			abort(in)
			return
		}
		go e.pass(in)
	}
}

// pass copies both ways until either side ends.
func (e *end) pass(in *net.TCPConn) {
	defer in.Close() // it is over
	out, err := net.Dial("tcp", e.target)
	if err != nil {
		return
	}
	defer out.Close() // as above
	plain := tls.Server(in, e.config)
	go func() {
		_, _ = io.Copy(out, plain)
		_ = out.Close()
	}()
	_, _ = io.Copy(plain, out)
}
