package mail

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rotatord/rotatord/notify"
	"github.com/rotatord/rotatord/notify/mail/mailtest"
	"github.com/rotatord/rotatord/rotator"
)

// to is a sender that works with the server as it is.
func to(t *testing.T, s *mailtest.Server, change func(*Options)) *Sender {
	t.Helper()
	return sender(t, func(o *Options) {
		o.Host, o.Port, o.RootCAs = "127.0.0.1", port(t, s), s.Pool
		if s.Auth {
			o.Username, o.Password = mailtest.Username, func() (rotator.Secret, error) { return rotator.SecretString(mailtest.Password), nil }
		}
		if s.Implicit {
			o.TLS = Implicit
		}
		if change != nil {
			change(o)
		}
	})
}

func port(t *testing.T, s *mailtest.Server) int {
	t.Helper()
	_, text, err := net.SplitHostPort(s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestSend(t *testing.T) {
	for _, tc := range []struct {
		name   string
		server func(*mailtest.Server)
		sender func(*Options)
		clear  bool
	}{
		{name: "with STARTTLS"},
		{name: "with STARTTLS and a password", server: func(s *mailtest.Server) { s.Auth = true }},
		{name: "with implicit TLS", server: func(s *mailtest.Server) { s.Implicit = true }},
		{name: "with implicit TLS and a password", server: func(s *mailtest.Server) { s.Implicit, s.Auth = true, true }},
		{name: "in plain text, on this machine", server: func(s *mailtest.Server) { s.PlainOnly = true }, sender: func(o *Options) { o.TLS = None }, clear: true},
		{name: "to a server that hangs up once it has accepted", server: func(s *mailtest.Server) { s.Refuse["RSET"], s.Refuse["QUIT"] = "", "" }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := mailtest.New(t, tc.server)
			m := message(notice(rotator.NoticeReplaced))
			if err := to(t, s, tc.sender).Send(t.Context(), m); err != nil {
				t.Fatal(err)
			}
			got := s.Accepted()
			if len(got) != 1 || got[0].Encrypted == tc.clear {
				t.Fatalf("accepted %+v", got)
			}
			if got[0].From != "FROM:<rotatord@example.com>" || fmt.Sprint(got[0].To) != "[TO:<ann@example.com>]" {
				t.Errorf("from %s to %s", got[0].From, got[0].To)
			}
			head, text := parsed(t, got[0].Raw)
			if head.Header.Get("Message-ID") != "<20261122-k3v9x2m7qd.8@example.com>" || !strings.Contains(text, "THE KEY WAS REPLACED") {
				t.Errorf("%v\n%s", head.Header, text)
			}
		})
	}
}

func TestSendFails(t *testing.T) {
	answer := func(word, with string) func(*mailtest.Server) {
		return func(s *mailtest.Server) { s.Refuse[word] = with }
	}
	for _, tc := range []struct {
		name   string
		server func(*mailtest.Server)
		sender func(*Options)
		outage bool
		kind   rotator.Kind
		want   string
	}{
		{"no STARTTLS on offer", func(s *mailtest.Server) { s.PlainOnly = true }, nil, true, rotator.Transient, "does not support STARTTLS"},
		{"a certificate that is not trusted", nil, func(o *Options) { o.RootCAs = nil }, true, rotator.Transient, "certificate"},
		{"an implicit one neither", func(s *mailtest.Server) { s.Implicit = true }, func(o *Options) { o.RootCAs = nil }, true, rotator.Transient, "certificate"},
		{"a greeting that says no", answer("greeting", "421 too busy"), nil, true, rotator.Transient, `421 "too busy"`},
		{"a wrong password", func(s *mailtest.Server) { s.Auth = true }, func(o *Options) {
			o.Password = func() (rotator.Secret, error) { return rotator.SecretString("an-old-password"), nil }
		}, true, rotator.Denied, "refuses the user name or the password (535)"},
		{"a password that cannot be read", func(s *mailtest.Server) { s.Auth = true }, func(o *Options) {
			o.Password = func() (rotator.Secret, error) { return rotator.Secret{}, errors.New("no such file") }
		}, true, rotator.Transient, "no such file"},
		{"a sender that is not allowed", answer("MAIL", "550 not you"), nil, true, rotator.Invalid, `550 "not you"`},
		{"a recipient that does not exist", answer("RCPT", "550 nobody here"), nil, false, rotator.Invalid, `550 "nobody here"`},
		{"a recipient that is to be tried later", answer("RCPT", "450 greylisted"), nil, false, rotator.Transient, `450 "greylisted"`},
		{"a message that is not taken", answer("DATA", "554 no"), nil, false, rotator.Invalid, `554 "no"`},
		{"a message that is refused at its end", answer("end", "552 too large"), nil, false, rotator.Invalid, `552 "too large"`},
		{"a connection that ends after the message", answer(".", ""), nil, false, rotator.UnknownOutcome, "EOF"},
		{"a server that stalls", answer("RCPT", mailtest.Stall), func(o *Options) { o.Timeout = time.Second }, false, rotator.UnknownOutcome, ""},
		{"a server that never greets", answer("greeting", mailtest.Stall), func(o *Options) { o.Timeout = 50 * time.Millisecond }, true, rotator.Transient, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := mailtest.New(t, tc.server)
			err := to(t, s, tc.sender).Send(t.Context(), message(notice(rotator.NoticeReplaced)))
			if err == nil {
				t.Fatal("it was sent")
			}
			if errors.Is(err, notify.ErrOutage) != tc.outage || rotator.KindOf(err) != tc.kind || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("outage %v, kind %s: %v", errors.Is(err, notify.ErrOutage), rotator.KindOf(err), err)
			}
			for _, secret := range []string{mailtest.Password, "an-old-password"} {
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
	s := mailtest.New(t, func(s *mailtest.Server) { s.Auth, s.PlainOnly = true, true })
	if err := to(t, s, nil).Send(t.Context(), message(notice(rotator.NoticeReplaced))); !errors.Is(err, notify.ErrOutage) {
		t.Errorf("%v", err)
	}
	for _, l := range s.Commands() {
		if strings.HasPrefix(l, "AUTH") {
			t.Errorf("it signed in over a connection in plain text: %s", l)
		}
	}
}

func TestSendEndsWithItsContext(t *testing.T) {
	s := mailtest.New(t, func(s *mailtest.Server) { s.Refuse["RCPT"] = mailtest.Stall })
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	sender := to(t, s, func(o *Options) { o.Timeout = time.Hour })
	go func() {
		<-s.Stalls
		cancel()
	}()
	if err := sender.Send(ctx, message(notice(rotator.NoticeReplaced))); err == nil {
		t.Error("it was sent")
	}
}

// TestNoConnectionIsLeftOpen: the library leaves one open when TLS or signing in fails.
func TestNoConnectionIsLeftOpen(t *testing.T) {
	s := mailtest.New(t, func(s *mailtest.Server) { s.Auth = true })
	wrong := to(t, s, func(o *Options) {
		o.Password = func() (rotator.Secret, error) { return rotator.SecretString("wrong"), nil }
	})
	if err := wrong.Send(t.Context(), message(notice(rotator.NoticeReplaced))); err == nil {
		t.Fatal("it was sent")
	}
	s.Drain() // ends only when the client has closed every connection
}
