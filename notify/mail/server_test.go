package mail

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"errors"
	"io"
	"math/big"
	"net"
	"net/textproto"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// password is what the server wants for the user "rotatord".
const password = "the-mail-password"

// server is a mail server with one mailbox, which can be told to misbehave. Its fields are set before it is used.
type server struct {
	t        *testing.T
	tls      *tls.Config
	pool     *x509.CertPool
	implicit bool
	plain    bool // does not offer STARTTLS
	auth     bool
	// refuse is what a command is answered with in place of the right answer, by its first word; "" hangs up, and "stall"
	// never answers. "." stands for the end of the message: it is accepted before the server hangs up.
	refuse map[string]string

	stalls   chan struct{} // hears of each answer that never comes
	listener net.Listener
	wg       sync.WaitGroup

	mu       sync.Mutex
	accepted []mailbag
	lines    []string // what came in, in plain text or not
	encrypts bool     // whether the latest message came encrypted
	open     map[net.Conn]bool
}

// mailbag is one accepted message.
type mailbag struct {
	from string
	to   []string
	raw  []byte
}

func newServer(t *testing.T, change func(*server)) *server {
	t.Helper()
	s := &server{t: t, refuse: map[string]string{}, stalls: make(chan struct{}, 100), open: map[net.Conn]bool{}}
	s.tls, s.pool = certificate(t)
	if change != nil {
		change(s)
	}
	var err error
	if s.listener, err = (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	s.wg.Go(s.accept)
	t.Cleanup(s.stop)
	return s
}

func (s *server) stop() {
	_ = s.listener.Close()
	s.mu.Lock()
	for c := range s.open {
		_ = c.Close()
	}
	s.mu.Unlock()
	s.wg.Wait()
}

func (s *server) port() int { return s.listener.Addr().(*net.TCPAddr).Port }

func (s *server) accept() {
	for {
		c, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		s.open[c] = true
		s.mu.Unlock()
		s.wg.Go(func() {
			defer func() {
				_ = c.Close()
				s.mu.Lock()
				delete(s.open, c)
				s.mu.Unlock()
			}()
			s.serve(c)
		})
	}
}

// dialog is one connection.
type dialog struct {
	*server
	conn net.Conn
	text *textproto.Conn
	bag  mailbag
	safe bool
	user bool
}

func (s *server) serve(c net.Conn) {
	d := &dialog{server: s, conn: c}
	if s.implicit {
		d.encrypt()
	} else {
		d.text = textproto.NewConn(c)
	}
	if d.say("greeting", "220 mail.example.com ready") != nil {
		return
	}
	for {
		l, err := d.text.ReadLine()
		if err != nil {
			return
		}
		s.mu.Lock()
		s.lines = append(s.lines, l)
		s.mu.Unlock()
		if d.answer(l) != nil {
			return
		}
	}
}

func (d *dialog) encrypt() {
	c := tls.Server(d.conn, d.tls)
	d.conn, d.safe, d.text = c, true, textproto.NewConn(c)
}

var errHangUp = errors.New("the server hangs up")

// say answers a command, or misbehaves as told.
func (d *dialog) say(word, right string) error {
	wrong, told := d.refuse[word]
	switch {
	case told && wrong == "":
		return errHangUp
	case told && wrong == "stall":
		d.stalls <- struct{}{}
		_, err := d.text.ReadLine() // until the client gives up
		return errors.Join(errHangUp, err)
	case told:
		right = wrong
	}
	return d.text.PrintfLine("%s", right)
}

func (d *dialog) answer(l string) error {
	word, rest, _ := strings.Cut(l, " ")
	word = strings.ToUpper(word)
	switch word {
	case "EHLO":
		return d.greet()
	case "STARTTLS":
		if err := d.say(word, "220 go ahead"); err != nil {
			return err
		}
		d.encrypt()
		return nil
	case "AUTH":
		return d.signIn(rest)
	case "MAIL":
		if d.auth && !d.user {
			return d.text.PrintfLine("530 sign in first")
		}
		d.bag = mailbag{from: rest}
		return d.say(word, "250 ok")
	case "RCPT":
		d.bag.to = append(d.bag.to, rest)
		return d.say(word, "250 ok")
	case "DATA":
		return d.data()
	case "QUIT":
		return errors.Join(d.say(word, "221 bye"), errHangUp)
	default:
		return d.say(word, "250 ok")
	}
}

func (d *dialog) greet() error {
	lines := []string{"mail.example.com"}
	if !d.plain && !d.safe {
		lines = append(lines, "STARTTLS")
	}
	if d.auth && (d.safe || d.plain) {
		lines = append(lines, "AUTH PLAIN LOGIN")
	}
	for i, l := range lines {
		sep := "-"
		if i == len(lines)-1 {
			sep = " "
		}
		if err := d.text.PrintfLine("250%s%s", sep, l); err != nil {
			return err
		}
	}
	return nil
}

func (d *dialog) signIn(rest string) error {
	raw, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(rest, "PLAIN "))
	if err != nil || string(raw) != "\x00rotatord\x00"+password {
		return d.text.PrintfLine("535 %q is wrong", raw) // a server that says too much
	}
	d.user = true
	return d.say("AUTH", "235 welcome")
}

func (d *dialog) data() error {
	if wrong, told := d.refuse["DATA"]; told {
		return d.text.PrintfLine("%s", wrong)
	}
	if err := d.text.PrintfLine("354 go ahead"); err != nil {
		return err
	}
	raw, err := io.ReadAll(bufio.NewReader(d.text.DotReader()))
	if err != nil {
		return err
	}
	if wrong := d.refuse["end"]; wrong != "" {
		return d.text.PrintfLine("%s", wrong)
	}
	d.bag.raw = raw
	d.mu.Lock()
	d.accepted, d.encrypts = append(d.accepted, d.bag), d.safe
	d.mu.Unlock()
	return d.say(".", "250 queued")
}

// got returns the accepted messages.
func (s *server) got() []mailbag {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.accepted)
}

// certificate makes one for 127.0.0.1, and a pool that trusts it.
func certificate(t *testing.T) (*tls.Config, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "mail.example.com"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, MinVersion: tls.VersionTLS12}, pool
}
