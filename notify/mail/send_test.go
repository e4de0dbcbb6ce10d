package mail

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/rotatord/rotatord/notify"
	"github.com/rotatord/rotatord/rotator"
)

// to is a sender that works with the server as it is.
func to(t *testing.T, s *server, change func(*Options)) *Sender {
	t.Helper()
	return sender(t, func(o *Options) {
		o.Host, o.Port, o.RootCAs = "127.0.0.1", s.port(), s.pool
		if s.auth {
			o.Username, o.Password = "rotatord", func() (rotator.Secret, error) { return rotator.SecretString(password), nil }
		}
		if s.implicit {
			o.TLS = Implicit
		}
		if change != nil {
			change(o)
		}
	})
}

func TestSend(t *testing.T) {
	for _, tc := range []struct {
		name   string
		server func(*server)
		sender func(*Options)
		clear  bool
	}{
		{name: "with STARTTLS"},
		{name: "with STARTTLS and a password", server: func(s *server) { s.auth = true }},
		{name: "with implicit TLS", server: func(s *server) { s.implicit = true }},
		{name: "with implicit TLS and a password", server: func(s *server) { s.implicit, s.auth = true, true }},
		{name: "in plain text, on this machine", server: func(s *server) { s.plain = true }, sender: func(o *Options) { o.TLS = None }, clear: true},
		{name: "to a server that hangs up once it has accepted", server: func(s *server) { s.refuse["RSET"], s.refuse["QUIT"] = "", "" }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newServer(t, tc.server)
			m := message(notice(rotator.NoticeReplaced))
			if err := to(t, s, tc.sender).Send(t.Context(), m); err != nil {
				t.Fatal(err)
			}
			got := s.got()
			if len(got) != 1 || s.encrypts == tc.clear {
				t.Fatalf("%d messages, encrypted: %v", len(got), s.encrypts)
			}
			if got[0].from != "FROM:<rotatord@example.com>" || fmt.Sprint(got[0].to) != "[TO:<ann@example.com>]" {
				t.Errorf("from %s to %s", got[0].from, got[0].to)
			}
			head, text := parsed(t, got[0].raw)
			if head.Header.Get("Message-ID") != "<20261122-k3v9x2m7qd.8@example.com>" || !strings.Contains(text, "THE KEY WAS REPLACED") {
				t.Errorf("%v\n%s", head.Header, text)
			}
		})
	}
}

func TestSendFails(t *testing.T) {
	answer := func(word, with string) func(*server) { return func(s *server) { s.refuse[word] = with } }
	for _, tc := range []struct {
		name   string
		server func(*server)
		sender func(*Options)
		outage bool
		kind   rotator.Kind
		want   string
	}{
		{"no STARTTLS on offer", func(s *server) { s.plain = true }, nil, true, rotator.Transient, "does not support STARTTLS"},
		{"a certificate that is not trusted", nil, func(o *Options) { o.RootCAs = nil }, true, rotator.Transient, "certificate"},
		{"an implicit one neither", func(s *server) { s.implicit = true }, func(o *Options) { o.RootCAs = nil }, true, rotator.Transient, "certificate"},
		{"a greeting that says no", answer("greeting", "421 too busy"), nil, true, rotator.Transient, `421 "too busy"`},
		{"a wrong password", func(s *server) { s.auth = true }, func(o *Options) {
			o.Password = func() (rotator.Secret, error) { return rotator.SecretString("an-old-password"), nil }
		}, true, rotator.Denied, "refuses the user name or the password (535)"},
		{"a password that cannot be read", func(s *server) { s.auth = true }, func(o *Options) {
			o.Password = func() (rotator.Secret, error) { return rotator.Secret{}, errors.New("no such file") }
		}, true, rotator.Transient, "no such file"},
		{"a sender that is not allowed", answer("MAIL", "550 not you"), nil, true, rotator.Invalid, `550 "not you"`},
		{"a recipient that does not exist", answer("RCPT", "550 nobody here"), nil, false, rotator.Invalid, `550 "nobody here"`},
		{"a recipient that is to be tried later", answer("RCPT", "450 greylisted"), nil, false, rotator.Transient, `450 "greylisted"`},
		{"a message that is not taken", answer("DATA", "554 no"), nil, false, rotator.Invalid, `554 "no"`},
		{"a message that is refused at its end", answer("end", "552 too large"), nil, false, rotator.Invalid, `552 "too large"`},
		{"a connection that ends after the message", answer(".", ""), nil, false, rotator.UnknownOutcome, "EOF"},
		{"a server that stalls", answer("RCPT", "stall"), func(o *Options) { o.Timeout = 50 * time.Millisecond }, false, rotator.UnknownOutcome, ""},
		{"a server that never greets", answer("greeting", "stall"), func(o *Options) { o.Timeout = 50 * time.Millisecond }, true, rotator.Transient, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newServer(t, tc.server)
			err := to(t, s, tc.sender).Send(t.Context(), message(notice(rotator.NoticeReplaced)))
			if err == nil {
				t.Fatal("it was sent")
			}
			if errors.Is(err, notify.ErrOutage) != tc.outage || rotator.KindOf(err) != tc.kind || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("outage %v, kind %s: %v", errors.Is(err, notify.ErrOutage), rotator.KindOf(err), err)
			}
			for _, secret := range []string{password, "an-old-password"} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("the error tells a password: %v", err)
				}
			}
			if !strings.Contains(err.Error(), "127.0.0.1") {
				t.Errorf("the error does not name the server: %v", err)
			}
		})
	}
}

// TestPasswordNeedsEncryption: a server that offers to sign in before TLS does not learn the password.
func TestPasswordNeedsEncryption(t *testing.T) {
	s := newServer(t, func(s *server) { s.auth, s.plain = true, true })
	if err := to(t, s, nil).Send(t.Context(), message(notice(rotator.NoticeReplaced))); !errors.Is(err, notify.ErrOutage) {
		t.Errorf("%v", err)
	}
	for _, l := range s.lines {
		if strings.HasPrefix(l, "AUTH") {
			t.Errorf("it signed in over a connection in plain text: %s", l)
		}
	}
}

func TestSendEndsWithItsContext(t *testing.T) {
	s := newServer(t, func(s *server) { s.refuse["RCPT"] = "stall" })
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	sender := to(t, s, func(o *Options) { o.Timeout = time.Hour })
	go func() {
		<-s.stalls
		cancel()
	}()
	if err := sender.Send(ctx, message(notice(rotator.NoticeReplaced))); err == nil {
		t.Error("it was sent")
	}
}

// TestNoConnectionIsLeftOpen: the library leaves one open when TLS or signing in fails.
func TestNoConnectionIsLeftOpen(t *testing.T) {
	s := newServer(t, func(s *server) { s.auth = true })
	wrong := to(t, s, func(o *Options) {
		o.Password = func() (rotator.Secret, error) { return rotator.SecretString("wrong"), nil }
	})
	if err := wrong.Send(t.Context(), message(notice(rotator.NoticeReplaced))); err == nil {
		t.Fatal("it was sent")
	}
	_ = s.listener.Close()
	s.wg.Wait() // ends only when the client has closed every connection
}
