package app

import (
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/rotatord/rotatord/emulator"
)

// TestAStopIsBoundedWhileACallHangs: what was in flight is cut off after the drain time, and resumes at the next start.
func TestAStopIsBoundedWhileACallHangs(t *testing.T) {
	w := newWorld(t)
	w.drain = 300 * time.Millisecond
	w.user("ci-build", "deploy", 40*24*time.Hour)
	hang := emulator.Fault{Name: "hang", Match: emulator.Match{Method: http.MethodPost, Path: "/key/user/*"},
		Effect: emulator.Effect{Kind: emulator.EffectDelay, Delay: emulator.Duration(time.Hour)}}
	if err := w.emulator.Faults.Add(hang); err != nil {
		t.Fatal(err)
	}
	r := w.run()
	await(t, "the call to hang", func() error { return want(w.emulator.Faults.List()[0].Hit == 1, "it was not made") })
	began := time.Now()
	if err := r.stop(); err != nil {
		t.Errorf("Run: %v", err)
	}
	if took := time.Since(began); took < w.drain || took > w.drain+10*time.Second {
		t.Errorf("the stop took %s, with %s to drain", took, w.drain)
	}
	if w.logs.FilterMessageSnippet("cutting them off").Len() != 1 {
		t.Error("the log does not say that calls were cut off")
	}

	w.emulator.Faults.Remove("")
	if err := os.Mkdir(w.path("keys"), 0o700); err != nil {
		t.Fatal(err)
	}
	r = w.run()
	exists(t, w.path("keys/ci-build"))
	await(t, "the rotation to end", func() error {
		open := r.status().Providers[0].Open
		return want(len(open) == 0, "there is %v", open)
	})
}

// TestAStopLetsACallThatAnswersEnd: the answer of a create call that is in flight is not thrown away.
func TestAStopLetsACallThatAnswersEnd(t *testing.T) {
	w := newWorld(t)
	w.user("ci-build", "deploy", 40*24*time.Hour)
	slow := emulator.Fault{Match: emulator.Match{Method: http.MethodPost, Path: "/key/user/*"},
		Effect: emulator.Effect{Kind: emulator.EffectDelay, Delay: emulator.Duration(500 * time.Millisecond), AfterEffect: true}}
	if err := w.emulator.Faults.Add(slow); err != nil {
		t.Fatal(err)
	}
	r := w.run()
	await(t, "the call to be made", func() error { return want(w.emulator.Faults.List()[0].Hit == 1, "it was not made") })
	if err := r.stop(); err != nil {
		t.Errorf("Run: %v", err)
	}
	if w.logs.FilterMessageSnippet("cutting them off").Len() != 0 {
		t.Error("a call was cut off that had time to end")
	}
	moved := w.logs.FilterMessage("rotation moved").All()
	if len(moved) == 0 || moved[len(moved)-1].ContextMap()["new_key_id"] == "" {
		t.Errorf("the new key's id is not recorded: %v", moved)
	}
}

func TestWhileItStopsItIsNotReady(t *testing.T) {
	w := newWorld(t)
	w.user("ci-build", "deploy", 40*24*time.Hour)
	if err := w.emulator.Faults.Add(emulator.Fault{Match: emulator.Match{Method: http.MethodPost, Path: "/key/user/*"},
		Effect: emulator.Effect{Kind: emulator.EffectDelay, Delay: emulator.Duration(time.Hour)}}); err != nil {
		t.Fatal(err)
	}
	w.drain = 2 * time.Second
	r := w.run()
	await(t, "the call to hang", func() error { return want(w.emulator.Faults.List()[0].Hit == 1, "it was not made") })
	r.cancel()
	await(t, "it to say that it stops", func() error {
		status, text := r.get("/-/ready")
		return want(status == http.StatusServiceUnavailable && strings.Contains(text, "stopping"), "it answers %d: %s", status, text)
	})
	if status, _ := r.get("/-/healthy"); status != http.StatusOK {
		t.Errorf("while it stops, /-/healthy answers %d", status)
	}
}

func TestRunEndsWhenTheWebServerFails(t *testing.T) {
	w := newWorld(t)
	r := w.run()
	if err := r.listener.Close(); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-r.ended:
		r.ended <- err
		if err == nil || !strings.Contains(err.Error(), "the web server failed") {
			t.Errorf("Run returned %v", err)
		}
	case <-time.After(patience):
		t.Fatal("without a web server it runs on")
	}
}

func TestAStartThatFailsLetsGoOfTheJournal(t *testing.T) {
	w := newWorld(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	w.configure(strings.Replace(usual, "127.0.0.1:0", l.Addr().String(), 1))
	if _, err := New(t.Context(), w.options()); err == nil || !strings.Contains(err.Error(), "server.listen") {
		t.Fatalf("New on a taken port: %v", err)
	}
	w.configure(usual)
	if err := w.run().stop(); err != nil {
		t.Errorf("after a start that failed: %v", err)
	}
}
