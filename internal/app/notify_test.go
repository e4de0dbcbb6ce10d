package app

import (
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// manager is the other end of the service manager's notification socket.
func manager(t *testing.T) <-chan string {
	t.Helper()
	dir, err := os.MkdirTemp("", "notify") // a socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	path := dir + "/s"
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	t.Setenv("NOTIFY_SOCKET", path)
	heard := make(chan string, 10000)
	go func() {
		defer close(heard)
		buf := make([]byte, 4096)
		for {
			n, err := conn.Read(buf)
			if err != nil {
				return
			}
			heard <- string(buf[:n])
		}
	}()
	return heard
}

// hear returns the next message.
func hear(t *testing.T, heard <-chan string) string {
	t.Helper()
	select {
	case m := <-heard:
		return m
	case <-time.After(patience):
		t.Fatal("the service manager heard nothing")
		return ""
	}
}

func TestTheServiceManagerIsToldOfReadinessLifeAndStop(t *testing.T) {
	heard := manager(t)
	t.Setenv("WATCHDOG_USEC", "90000")
	t.Setenv("WATCHDOG_PID", strconv.Itoa(os.Getpid()))
	w := newWorld(t)
	r := w.run()
	if m := hear(t, heard); m != "READY=1" {
		t.Errorf("the first message is %q", m)
	}
	for range 3 {
		if m := hear(t, heard); m != "WATCHDOG=1" {
			t.Errorf("while it runs, it says %q", m)
		}
	}
	if err := r.stop(); err != nil {
		t.Errorf("Run: %v", err)
	}
	for {
		m := hear(t, heard)
		if m == "STOPPING=1" {
			break
		}
		if m != "WATCHDOG=1" {
			t.Fatalf("before its stop, it says %q", m)
		}
	}
	select {
	case m := <-heard:
		t.Errorf("after its stop, it says %q", m)
	default:
	}
}

func TestTheWatchdogIsNotToldThatAllIsWellWhenTheJournalDoesNotAnswer(t *testing.T) {
	heard := manager(t)
	t.Setenv("WATCHDOG_USEC", "60000")
	t.Setenv("WATCHDOG_PID", strconv.Itoa(os.Getpid()))
	w := newWorld(t)
	r := w.run()
	hear(t, heard)
	await(t, "the first scan", func() error { return want(!r.status().Providers[0].LastScan.IsZero(), "there was none") })
	if err := r.store.Close(); err != nil {
		t.Fatal(err)
	}
	await(t, "the log to say so", func() error {
		return want(w.logs.FilterMessageSnippet("not telling the watchdog").Len() >= 3, "it does not")
	})
	var said []string
	for len(heard) > 0 {
		said = append(said, <-heard)
	}
	before := w.logs.FilterMessageSnippet("not telling the watchdog").Len()
	await(t, "more of it", func() error {
		return want(w.logs.FilterMessageSnippet("not telling the watchdog").Len() > before+2, "there is none")
	})
	select {
	case m := <-heard:
		t.Errorf("with a dead journal, it says %q (before: %s)", m, strings.Join(said, " "))
	default:
	}
}

func TestWithoutAServiceManagerItRuns(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	w := newWorld(t)
	if err := w.run().stop(); err != nil {
		t.Errorf("Run: %v", err)
	}
	t.Setenv("NOTIFY_SOCKET", "/no/such/socket")
	t.Setenv("WATCHDOG_USEC", "soon")
	t.Setenv("WATCHDOG_PID", strconv.Itoa(os.Getpid()))
	w = newWorld(t)
	if err := w.run().stop(); err != nil {
		t.Errorf("Run: %v", err)
	}
	for _, said := range []string{"systemd cannot be told", "the watchdog's settings cannot be read"} {
		if w.logs.FilterMessage(said).Len() == 0 && w.logs.FilterMessageSnippet(said).Len() == 0 {
			t.Errorf("the log does not say %q", said)
		}
	}
}
