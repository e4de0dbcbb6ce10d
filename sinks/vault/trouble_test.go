package vault_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/sinks/vault"
	"github.com/rotatord/rotatord/test/realserver"
)

// TestTrouble shares one server among all that needs no other one.
func TestTrouble(t *testing.T) {
	server := realserver.Vault(t)
	for _, c := range []struct {
		name string
		run  func(*testing.T, *mount)
	}{
		{"writes without end in the same moment", writesWithoutEndInTheSameMoment},
		{"odd answer to a write", oddAnswerToAWrite},
		{"slow server", slowServer},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, newMount(t, server, 2, false)) })
	}
}

func TestSealedAndRestarted(t *testing.T) {
	server := realserver.Vault(t, realserver.Persistent())
	m := newMount(t, server, 2, false)
	o, l := m.options(), new(log)
	o.Observer = l.observe
	s := newSink(t, o)
	d := delivery(t, s, 1)
	deliver(t, s, d)
	server.Seal()
	before := l.count("read")
	refused(t, s, delivery(t, s, 2), rotator.Transient, "vault operator unseal")
	if got := l.count("read") - before; got != 1 {
		t.Errorf("a sealed server was asked %d times, want once", got)
	}
	wantFault(t, s.Ping(t.Context()), rotator.Transient, "sealed")
	server.Unseal()
	deliver(t, s, delivery(t, s, 2))
	server.Stop()
	refused(t, s, delivery(t, s, 3), rotator.Transient, "connection refused")
	wantFault(t, s.Ping(t.Context()), rotator.Transient, "connection refused")
	server.Start()
	server.Unseal()
	deliver(t, s, delivery(t, s, 3))
	if err := s.Ping(t.Context()); err != nil {
		t.Error(err)
	}
	if got := l.count("login"); got != 1 {
		t.Errorf("%d logins, want 1: the token outlives a restart", got)
	}
	fresh := newSink(t, o)
	server.Seal()
	refused(t, fresh, delivery(t, s, 4), rotator.Transient, "sealed") // at the login
}

func TestClientCertificates(t *testing.T) {
	server := realserver.Vault(t, realserver.WithTLS())
	m := newMount(t, server, 2, false)
	good := m.options()
	good.CAFile = server.Authority.File
	good.CertFile, good.KeyFile = server.Authority.Issue(t, "rotatord")
	s := newSink(t, good)
	deliver(t, s, delivery(t, s, 1))
	named := good
	named.ServerName = "vault.test"
	s = newSink(t, named)
	deliver(t, s, delivery(t, s, 2))

	stranger := realserver.NewAuthority(t)
	for _, test := range []struct {
		name, words string
		change      func(*vault.Options)
	}{
		{"no client certificate", "see cert_file and key_file", func(o *vault.Options) { o.CertFile, o.KeyFile = "", "" }},
		{"client certificate of another authority", "see cert_file and key_file", func(o *vault.Options) { o.CertFile, o.KeyFile = stranger.Issue(t, "rotatord") }},
		{"server of another authority", "set ca_file", func(o *vault.Options) { o.CAFile = stranger.File }},
		{"system's authorities", "set ca_file", func(o *vault.Options) { o.CAFile = "" }},
		{"server of another name", "set server_name", func(o *vault.Options) { o.ServerName = "other.test" }},
	} {
		t.Run(test.name, func(t *testing.T) {
			o := good
			test.change(&o)
			s := newSink(t, o)
			refused(t, s, delivery(t, s, 3), rotator.Transient, test.words)
		})
	}
}

// interfering is a sink behind a proxy that does something once, when the first write of a secret comes by.
func interfering(t *testing.T, m *mount, act func(w http.ResponseWriter, r *http.Request, forward http.Handler)) (s *vault.Sink, l *log) {
	t.Helper()
	var done atomic.Bool
	address := newProxy(t, m.server.Address, func(w http.ResponseWriter, r *http.Request, forward http.Handler) {
		if r.Method == http.MethodPut && strings.HasPrefix(r.URL.Path, "/v1/"+m.api(m.path+"/p/")) && done.CompareAndSwap(false, true) {
			act(w, r, forward)
			return
		}
		forward.ServeHTTP(w, r)
	})
	o := m.options()
	l = new(log)
	o.Address, o.Observer = address, l.observe
	return newSink(t, o), l
}

func lost(http.ResponseWriter, *http.Request, http.Handler) { panic(http.ErrAbortHandler) }

func lostAfter(w http.ResponseWriter, r *http.Request, forward http.Handler) {
	forward.ServeHTTP(httptest.NewRecorder(), r)
	panic(http.ErrAbortHandler)
}

func TestWriteInTheSameMoment(t *testing.T) {
	server := realserver.Vault(t)
	t.Run("by a stranger", func(t *testing.T) {
		m := newMount(t, server, 2, false)
		s, _ := interfering(t, m, func(w http.ResponseWriter, r *http.Request, forward http.Handler) {
			if err := m.overwrite(m.path+"/p/robot", "by hand"); err != nil {
				t.Error(err)
			}
			forward.ServeHTTP(w, r)
		})
		d := delivery(t, s, 1)
		refused(t, s, d, rotator.Conflict, "did not write there")
		if got, _, err := m.read(d.Location); err != nil || got != "by hand" {
			t.Errorf("a consumer reads %q, %v", got, err)
		}
	})
	for _, test := range []struct {
		name    string
		theirs  int
		kind    rotator.Kind
		endsAt  string
		version int
	}{
		{"by another of us, the same", 5, "", secret + "-5", 5},
		{"by another of us, older", 4, "", secret + "-5", 5},
		{"by another of us, newer", 6, rotator.Conflict, secret + "-6", 5},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := newMount(t, server, 2, false)
			other := newSink(t, m.options())
			s, _ := interfering(t, m, func(w http.ResponseWriter, r *http.Request, forward http.Handler) {
				deliver(t, other, delivery(t, other, test.theirs))
				forward.ServeHTTP(w, r)
			})
			d := delivery(t, s, test.version)
			_, err := s.Deliver(t.Context(), d)
			if (err == nil) != (test.kind == "") || err != nil && rotator.KindOf(err) != test.kind {
				t.Errorf("the delivery ended with %v", err)
			}
			if got, _, err := m.read(d.Location); err != nil || got != test.endsAt {
				t.Errorf("a consumer reads %q, %v", got, err)
			}
		})
	}
}

func writesWithoutEndInTheSameMoment(t *testing.T, m *mount) {
	var versions atomic.Int64
	other := newSink(t, m.options())
	address := newProxy(t, m.server.Address, func(w http.ResponseWriter, r *http.Request, forward http.Handler) {
		if r.Method == http.MethodPut && strings.HasPrefix(r.URL.Path, "/v1/"+m.path+"/data/") {
			deliver(t, other, delivery(t, other, int(versions.Add(1))))
		}
		forward.ServeHTTP(w, r)
	})
	o := m.options()
	o.Address = address
	s := newSink(t, o)
	refused(t, s, delivery(t, s, 100), rotator.Conflict, "3 times")
}

func TestLostAnswers(t *testing.T) {
	server := realserver.Vault(t)
	for _, version := range []int{1, 2} {
		m := newMount(t, server, version, false)
		s, l := interfering(t, m, lostAfter)
		d := delivery(t, s, 1)
		deliver(t, s, d)
		if got := l.count("write"); got != 1 {
			t.Errorf("version %d: after a lost answer the write was sent %d times", version, got)
		}
		if o := observe(t, s, d); !o.Ours || o.Version != 1 {
			t.Errorf("version %d: observed %+v", version, o)
		}

		m = newMount(t, server, version, false)
		s, l = interfering(t, m, lost)
		d = delivery(t, s, 1)
		refused(t, s, d, rotator.Transient, "EOF")
		if got := l.count("write"); got != 1 {
			t.Errorf("version %d: a lost write was sent %d times", version, got)
		}
		deliver(t, s, d)
	}
}

func TestLostAnswerAndNoReadBack(t *testing.T) {
	server := realserver.Vault(t)
	for n := range 2 { // lost before its effect, and after
		s, _ := newMount(t, server, 2, false).stopping(t, n)
		refused(t, s, delivery(t, s, 1), rotator.UnknownOutcome, "could not be read back")
	}
}

func oddAnswerToAWrite(t *testing.T, m *mount) {
	for _, body := range []string{"", "{}", "<html>", `{"data":{"version":77}}`} {
		s, _ := interfering(t, m, func(w http.ResponseWriter, _ *http.Request, _ http.Handler) { _, _ = w.Write([]byte(body)) })
		_, err := s.Deliver(t.Context(), delivery(t, s, 1))
		if err == nil {
			t.Errorf("the answer %q was taken for success", body)
		}
	}
}

func slowServer(t *testing.T, m *mount) {
	hold := make(chan struct{})
	address := newProxy(t, m.server.Address, func(_ http.ResponseWriter, r *http.Request, _ http.Handler) {
		select {
		case <-hold:
		case <-r.Context().Done():
		}
	})
	defer close(hold)
	o := m.options()
	o.Address, o.Timeout = address, 20*time.Millisecond
	s := newSink(t, o)
	refused(t, s, delivery(t, s, 1), rotator.Transient, "")
	o.Timeout = time.Hour
	s = newSink(t, o)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err := s.Deliver(ctx, delivery(t, s, 1))
	wantFault(t, err, rotator.Transient, "deadline")
}
