package faults

import (
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/rotatord/rotatord/test/daemon"
)

// door is the daemon's own way to the provider. Consumers do not go through it.
type door struct {
	t       *testing.T
	address string
	target  string

	mu       sync.Mutex
	listener net.Listener
	slam     bool
	entered  int
	conns    map[net.Conn]bool
}

// newDoor opens a door before the provider.
func newDoor(t *testing.T, e *daemon.Emulator) *door {
	t.Helper()
	target, _, _ := strings.Cut(strings.TrimPrefix(e.BaseURL, "http://"), "/")
	d := &door{t: t, address: "127.0.0.1:0", target: target, conns: map[net.Conn]bool{}}
	d.open()
	t.Cleanup(d.close)
	return d
}

func (d *door) url(path string) string { return "http://" + d.address + path }

// open lets the daemon in, at the same address as before.
func (d *door) open() {
	d.t.Helper()
	l, err := net.Listen("tcp", d.address)
	if err != nil {
		d.t.Fatalf("open the way to the provider: %v", err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.address, d.listener, d.slam = l.Addr().String(), l, false
	go d.accept(l)
}

// close refuses connections, and cuts those that there are.
func (d *door) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.listener != nil {
		_ = d.listener.Close()
		d.listener = nil
	}
	d.cut()
}

// shut lets connections in and drops them at once, so that they can be counted.
func (d *door) shut() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.slam = true
	d.cut()
}

// unshut ends shut.
func (d *door) unshut() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.slam = false
}

// tries is how many connections there were.
func (d *door) tries() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.entered
}

// cut is called with the lock held.
func (d *door) cut() {
	for c := range d.conns {
		_ = c.Close()
	}
	clear(d.conns)
}

func (d *door) accept(l net.Listener) {
	for {
		in, err := l.Accept()
		if err != nil {
			return
		}
		if !d.enter(l, in) {
			_ = in.Close()
			continue
		}
		go d.pass(in)
	}
}

// enter reports whether a connection that a listener accepted may pass; if so it is one of those that can be cut. A listener
// that is closed may have accepted one just before.
func (d *door) enter(l net.Listener, c net.Conn) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.listener != l {
		return false
	}
	d.entered++
	if !d.slam {
		d.conns[c] = true
	}
	return !d.slam
}

// pass copies both ways until either side ends.
func (d *door) pass(in net.Conn) {
	defer d.leave(in)
	out, err := net.Dial("tcp", d.target)
	if err != nil {
		return
	}
	defer out.Close()
	go func() {
		_, _ = io.Copy(out, in)
		_ = out.Close()
	}()
	_, _ = io.Copy(in, out)
}

func (d *door) leave(c net.Conn) {
	_ = c.Close()
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.conns, c)
}
