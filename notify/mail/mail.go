package mail

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	netmail "net/mail"
	"net/textproto"
	"strconv"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"

	"github.com/rotatord/rotatord/notify"
	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/rotator/outbound"
)

// TLS says how the connection to the server is protected.
type TLS string

// The ways.
const (
	// STARTTLS begins in plain text and asks for TLS before anything else; a server that does not offer it is an error.
	STARTTLS TLS = "starttls"
	// Implicit speaks TLS from the first byte, as on port 465 (RFC 8314).
	Implicit TLS = "implicit"
	// None is for a server on the same machine.
	None TLS = "none"
)

// Options are what a sender is made of.
type Options struct {
	// Host and Port are the server's.
	Host string
	Port int
	TLS  TLS
	// RootCAs are trusted in place of the system's; nil for the system's.
	RootCAs *x509.CertPool
	// Username signs in with Password, which is asked for at each connection; empty for no authentication. It needs TLS.
	Username string
	Password func() (rotator.Secret, error)
	// From and ReplyTo are addresses, with or without a name; ReplyTo may be empty.
	From, ReplyTo string
	// CC get a copy of every message.
	CC []string
	// SubjectPrefix stands in front of every subject.
	SubjectPrefix string
	// Questions is a line that says whom to ask.
	Questions string
	// Timeout bounds the whole of one message, connecting included; 0 is a minute.
	Timeout time.Duration
}

// Sender sends notices by e-mail. Make one with [New].
type Sender struct {
	o      Options
	from   *netmail.Address
	domain string
}

var _ notify.Sender = (*Sender)(nil)

// New makes a sender. It makes no call.
func New(o Options) (*Sender, error) {
	from, err := netmail.ParseAddress(o.From)
	if err != nil {
		return nil, fmt.Errorf("from: %q is not an e-mail address: %w", o.From, err)
	}
	if o.Username != "" && (o.TLS == None || o.Password == nil) {
		return nil, errors.New("username: signing in needs TLS and a password")
	}
	o.Timeout = cmp.Or(o.Timeout, time.Minute)
	s := &Sender{o: o, from: from, domain: from.Address[strings.LastIndex(from.Address, "@")+1:]}
	if _, err := s.client(rotator.SecretString("unknown yet"), (&net.Dialer{}).DialContext); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *Sender) tlsConfig() *tls.Config {
	return &tls.Config{ServerName: s.o.Host, RootCAs: s.o.RootCAs, MinVersion: tls.VersionTLS12}
}

// Send implements [notify.Sender]. What happens before the recipient is named (connecting, TLS, signing in) wraps
// [notify.ErrOutage]. When the connection ends while the message is on its way, it may have been accepted: it is sent
// again under the same Message-ID.
func (s *Sender) Send(ctx context.Context, m notify.Message) error {
	msg, err := s.compose(m, time.Now())
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, s.o.Timeout)
	defer cancel()
	return s.deliver(ctx, msg)
}

// deliver connects, sends the message and disconnects.
func (s *Sender) deliver(ctx context.Context, msg *gomail.Msg) error {
	password, err := s.password()
	if err != nil {
		return s.outage(err)
	}
	var line wire
	defer line.close()
	c, err := s.client(password, func(_ context.Context, network, address string) (net.Conn, error) {
		return line.open(ctx, s, network, address)
	})
	if err != nil {
		return s.outage(err)
	}
	session, err := c.DialToSMTPClientWithContext(ctx)
	if err != nil {
		return s.outage(err)
	}
	err = c.SendWithSMTPClient(session, msg)
	if msg.IsDelivered() {
		_ = c.CloseWithSMTPClient(session) // a server that does not say goodbye has accepted the message all the same
		return nil
	}
	return s.refused(err)
}

// wire is the connection of one message. It is closed whatever happens: also when ctx ends, which the library heeds only
// while it connects, and when TLS or signing in fails, where the library leaves it open.
type wire struct {
	conn   net.Conn
	forget func() bool
}

func (w *wire) open(ctx context.Context, s *Sender, network, address string) (net.Conn, error) {
	conn, err := outbound.Dialer(s.o.Timeout).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	if s.o.TLS == Implicit {
		conn = tls.Client(conn, s.tlsConfig())
	}
	w.conn = conn
	w.forget = context.AfterFunc(ctx, func() { _ = conn.Close() })
	if encrypted, ok := conn.(*tls.Conn); ok {
		return conn, encrypted.HandshakeContext(ctx)
	}
	return conn, nil
}

func (w *wire) close() {
	if w.conn != nil {
		w.forget()
		_ = w.conn.Close() // closed already where all went well
	}
}

// mechanisms are the ways to sign in, the best first. Those that show the password to the server come last; the connection
// is encrypted by then.
var mechanisms = []gomail.SMTPAuthType{
	gomail.SMTPAuthSCRAMSHA256PLUS, gomail.SMTPAuthSCRAMSHA256, gomail.SMTPAuthSCRAMSHA1PLUS, gomail.SMTPAuthSCRAMSHA1,
	gomail.SMTPAuthPlain, gomail.SMTPAuthLogin,
}

func (s *Sender) client(password rotator.Secret, dial gomail.DialContextFunc) (*gomail.Client, error) {
	options := []gomail.Option{
		gomail.WithPort(s.o.Port), gomail.WithTimeout(s.o.Timeout), gomail.WithDialContextFunc(dial), gomail.WithoutNoop(),
	}
	switch s.o.TLS {
	case STARTTLS:
		options = append(options, gomail.WithTLSPolicy(gomail.TLSMandatory), gomail.WithTLSConfig(s.tlsConfig()))
	case Implicit:
		options = append(options, gomail.WithSSL())
	case None:
		options = append(options, gomail.WithTLSPolicy(gomail.NoTLS))
	default:
		return nil, fmt.Errorf("tls: %q is not known", s.o.TLS)
	}
	if s.o.Username != "" {
		options = append(options, gomail.WithOpportunisticSMTPAuth(mechanisms...), gomail.WithUsername(s.o.Username),
			gomail.WithPassword(string(password.Reveal())))
	}
	return gomail.NewClient(s.o.Host, options...)
}

func (s *Sender) password() (rotator.Secret, error) {
	if s.o.Username == "" {
		return rotator.Secret{}, nil
	}
	return s.o.Password()
}

func (s *Sender) server() string { return net.JoinHostPort(s.o.Host, strconv.Itoa(s.o.Port)) }

// outage is an error from before a recipient was named.
func (s *Sender) outage(err error) error {
	op := "connect to the mail server " + s.server()
	if strings.HasPrefix(err.Error(), "SMTP AUTH failed") {
		// The server's own words are left out: they may repeat what was sent to it.
		err = fmt.Errorf("it refuses the user name or the password (%s); check notifications.mail.username and its password", codeOf(err))
		return fmt.Errorf("%w: %w", notify.ErrOutage, &rotator.Fault{Op: op, Kind: rotator.Denied, Err: err})
	}
	return fmt.Errorf("%w: %w", notify.ErrOutage, rotator.NewFault(op, rotator.Transient, "%s", line(err.Error(), maxTrouble)))
}

// refused is an error from after the session was opened. A server that does not take the sender takes no message at all.
func (s *Sender) refused(err error) error {
	op := "send through the mail server " + s.server()
	failed, ok := errors.AsType[*gomail.SendError](err)
	kind := rotator.Invalid
	if !ok || failed.ErrorCode() == 0 {
		kind = rotator.UnknownOutcome
	} else if failed.IsTemp() {
		kind = rotator.Transient
	}
	fault := rotator.NewFault(op, kind, "%s", line(err.Error(), maxTrouble))
	if ok && failed.Reason == gomail.ErrSMTPMailFrom {
		return fmt.Errorf("%w: %w", notify.ErrOutage, fault)
	}
	return fault
}

// maxTrouble is how much of a server's words is kept.
const maxTrouble = 500

// codeOf is the server's reply code, in words where there is none.
func codeOf(err error) string {
	if reply, ok := errors.AsType[*textproto.Error](err); ok {
		return strconv.Itoa(reply.Code)
	}
	return "without a reply code"
}
