// Package mailtest has a small mail server for tests: it speaks STARTTLS, implicit TLS and AUTH PLAIN, keeps what it
// accepts, and misbehaves as told. It listens on a loopback address and delivers nothing.
package mailtest

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"net/textproto"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// Username and Password are what the server wants to hear.
const (
	Username = "rotatord"
	Password = "the-mail-password"
)

// Server is a mail server that can be told to misbehave. Its exported fields are set before it is used.
type Server struct {
	// Implicit speaks TLS from the first byte on; PlainOnly does not offer STARTTLS; Auth wants a password.
	Implicit, PlainOnly, Auth bool
	// Refuse is what a command is answered with in place of the right answer, by its first word: "" hangs up, and [Stall]
	// never answers. "greeting" and "end" (of a message) are among the words. "." is the answer to a message that was
	// accepted.
	Refuse map[string]string
	// Stalls hears of each answer that never comes.
	Stalls chan struct{}
	// Pool trusts the server's certificate, which is also at CAFile.
	Pool   *x509.CertPool
	CAFile string

	tls      *tls.Config
	listener net.Listener
	wg       sync.WaitGroup

	mu       sync.Mutex
	accepted []Mail
	lines    []string // what came in, in plain text or not
	open     map[net.Conn]bool
	stopped  bool
}

// Stall in [Server.Refuse] is an answer that never comes.
const Stall = "stall"

// Mail is one accepted message.
type Mail struct {
	From string
	To   []string
	// Raw is the message as it came, header and body.
	Raw []byte
	// Encrypted is whether it came over TLS.
	Encrypted bool
}

// New starts a server that ends with the test. change, which may be nil, is called before it listens.
func New(t *testing.T, change func(*Server)) *Server {
	t.Helper()
	s := &Server{Refuse: map[string]string{}, Stalls: make(chan struct{}, 100), open: map[net.Conn]bool{}}
	s.certify(t)
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

func (s *Server) stop() {
	_ = s.listener.Close()
	s.mu.Lock()
	s.stopped = true
	for c := range s.open {
		_ = c.Close()
	}
	s.mu.Unlock()
	s.wg.Wait()
}

// Drain stops listening and waits until the clients have closed every connection.
func (s *Server) Drain() {
	_ = s.listener.Close()
	s.wg.Wait()
}

// Addr is host:port.
func (s *Server) Addr() string { return s.listener.Addr().String() }

func (s *Server) accept() {
	for {
		c, err := s.listener.Accept()
		if err != nil {
			return
		}
		if !s.admit(c) {
			_ = c.Close()
			return
		}
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

// admit notes a connection, so that stop can close it, and says false after a stop.
func (s *Server) admit(c net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return false
	}
	s.open[c] = true
	return true
}

// dialog is one connection.
type dialog struct {
	*Server
	conn net.Conn
	text *textproto.Conn
	bag  Mail
	safe bool
	user bool
}

func (s *Server) serve(c net.Conn) {
	d := &dialog{Server: s, conn: c}
	if s.Implicit {
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
	wrong, told := d.Refuse[word]
	switch {
	case told && wrong == "":
		return errHangUp
	case told && wrong == Stall:
		d.Stalls <- struct{}{}
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
		if d.Auth && !d.user {
			return d.text.PrintfLine("530 sign in first")
		}
		d.bag = Mail{From: rest, Encrypted: d.safe}
		return d.say(word, "250 ok")
	case "RCPT":
		d.bag.To = append(d.bag.To, rest)
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
	if !d.PlainOnly && !d.safe {
		lines = append(lines, "STARTTLS")
	}
	if d.Auth && (d.safe || d.PlainOnly) {
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
	if err != nil || string(raw) != "\x00"+Username+"\x00"+Password {
		return d.text.PrintfLine("535 %q is wrong", raw) // a server that says too much
	}
	d.user = true
	return d.say("AUTH", "235 welcome")
}

func (d *dialog) data() error {
	if wrong, told := d.Refuse["DATA"]; told {
		return d.text.PrintfLine("%s", wrong)
	}
	if err := d.text.PrintfLine("354 go ahead"); err != nil {
		return err
	}
	raw, err := io.ReadAll(bufio.NewReader(d.text.DotReader()))
	if err != nil {
		return err
	}
	if wrong := d.Refuse["end"]; wrong != "" {
		return d.text.PrintfLine("%s", wrong)
	}
	d.bag.Raw = raw
	d.mu.Lock()
	d.accepted = append(d.accepted, d.bag)
	d.mu.Unlock()
	return d.say(".", "250 queued")
}

// Accepted returns the messages that were accepted.
func (s *Server) Accepted() []Mail {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.accepted)
}

// Commands returns every line outside of messages that came in.
func (s *Server) Commands() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.lines)
}

// certify makes a certificate for 127.0.0.1.
func (s *Server) certify(t *testing.T) {
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
	s.tls = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, MinVersion: tls.VersionTLS12}
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	s.Pool = x509.NewCertPool()
	s.Pool.AppendCertsFromPEM(block)
	s.CAFile = filepath.Join(t.TempDir(), "mail-ca.pem")
	if err := os.WriteFile(s.CAFile, block, 0o600); err != nil {
		t.Fatal(err)
	}
}
