package webhook

import (
	"bytes"
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/rotatord/rotatord/notify"
	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/rotator/outbound"
)

// Format is what a receiver understands.
type Format string

// The formats.
const (
	CloudEvents Format = "cloudevents" // CloudEvents 1.0 in structured mode, signed as Standard Webhooks say
	Slack       Format = "slack"       // Slack's incoming webhooks
	Teams       Format = "teams"       // the webhooks of Teams' workflows
)

// Options are what a sender is made of.
type Options struct {
	Format Format
	// URL is where messages go, asked for at each message. It may be a secret in itself, so it is in no error.
	URL func() (rotator.Secret, error)
	// Secret signs CloudEvents, asked for at each message; nil for none.
	Secret func() (rotator.Secret, error)
	// RootCAs are trusted in place of the system's; nil for the system's.
	RootCAs *x509.CertPool
	// Timeout bounds one message; 0 is 30 seconds.
	Timeout time.Duration
	// Agent is sent as the User-Agent.
	Agent string
}

// Sender posts messages. Make one with [New].
type Sender struct {
	o      Options
	client *http.Client
}

var _ notify.Sender = (*Sender)(nil)

// New makes a sender. It makes no call.
func New(o Options) *Sender {
	o.Timeout = cmp.Or(o.Timeout, 30*time.Second)
	return &Sender{o: o, client: &http.Client{
		Timeout: o.Timeout, CheckRedirect: outbound.NoRedirect,
		Transport: outbound.Transport(&tls.Config{RootCAs: o.RootCAs, MinVersion: tls.VersionTLS12}),
	}}
}

// CheckURL says what is wrong with the address of a webhook, without repeating it.
func CheckURL(address string) error {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Host == "":
		return errors.New("it is not the address of a server: write https://host/path")
	case u.User != nil:
		return errors.New("it holds a user name or a password: take them out")
	case u.Scheme == "https":
		return nil
	case u.Scheme == "http" && loopback(u.Hostname()):
		return nil
	default:
		return errors.New("it would send messages over the network unencrypted: write https://")
	}
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Send implements [notify.Sender]. An error that is about the receiver, and not about this message, wraps [notify.ErrOutage].
func (s *Sender) Send(ctx context.Context, m notify.Message) error {
	body, kind, err := s.compose(m)
	if err != nil {
		return fmt.Errorf("%w: %w", notify.ErrOutage, rotator.NewFault("prepare a message", rotator.Invalid, "%w", err))
	}
	return s.post(ctx, m.ID, kind, body)
}

// SendEvent posts one event, with the errors of Send. An error of kind [rotator.Transient] leaves open whether the receiver has it.
func (s *Sender) SendEvent(ctx context.Context, e Event) error {
	body, err := json.Marshal(e)
	if err != nil {
		return rotator.NewFault("prepare an event", rotator.Invalid, "%w", err)
	}
	return s.post(ctx, e.ID, asEvent, body)
}

func (s *Sender) post(ctx context.Context, id, kind string, body []byte) error {
	r, err := s.request(ctx, id, kind, body)
	if err != nil {
		return fmt.Errorf("%w: %w", notify.ErrOutage, err)
	}
	op := "post a message to " + r.URL.Hostname()
	answer, err := s.client.Do(r)
	if err != nil {
		// The library's error begins with the address, which may be a secret.
		if wrapped, ok := errors.AsType[*url.Error](err); ok {
			err = wrapped.Err
		}
		return fmt.Errorf("%w: %w", notify.ErrOutage, rotator.NewFault(op, rotator.Transient, "%w", err))
	}
	defer answer.Body.Close() //nolint:errcheck // nothing of it is needed
	_, _ = io.CopyN(io.Discard, answer.Body, maxAnswer)
	return judge(op, answer.StatusCode)
}

// maxAnswer is how much of an answer is read, so that its connection can be used again.
const maxAnswer = 64 << 10

// judge says what an answer's status means.
func judge(op string, status int) error {
	said := fmt.Sprintf("the answer was %d %s", status, http.StatusText(status))
	switch {
	case status >= 200 && status < 300:
		return nil
	case status == http.StatusTooManyRequests || status >= 500:
		return fmt.Errorf("%w: %w", notify.ErrOutage, rotator.NewFault(op, rotator.Transient, "%s", said))
	case status >= 300 && status < 400:
		return fmt.Errorf("%w: %w", notify.ErrOutage, rotator.NewFault(op, rotator.Invalid, "%s, and a redirect is not followed; set its target as the url", said))
	case status == http.StatusUnauthorized, status == http.StatusForbidden, status == http.StatusNotFound, status == http.StatusGone:
		return fmt.Errorf("%w: %w", notify.ErrOutage, rotator.NewFault(op, rotator.Denied, "%s; check the url and the signing secret", said))
	default:
		return rotator.NewFault(op, rotator.Invalid, "%s; it does not take this message", said)
	}
}

func (s *Sender) request(ctx context.Context, id, kind string, body []byte) (*http.Request, error) {
	const op = "prepare a message"
	address, err := s.o.URL()
	if err != nil {
		return nil, rotator.NewFault(op, rotator.Invalid, "reading the url: %w", err)
	}
	to := strings.TrimSpace(string(address.Reveal()))
	if err := CheckURL(to); err != nil {
		return nil, rotator.NewFault(op, rotator.Invalid, "the url: %w", err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(body))
	if err != nil {
		return nil, rotator.NewFault(op, rotator.Invalid, "the url cannot be used")
	}
	r.Header.Set("Content-Type", kind)
	r.Header.Set("User-Agent", cmp.Or(s.o.Agent, "rotatord"))
	if kind == asEvent {
		return r, s.sign(r.Header, id, body, time.Now())
	}
	return r, nil
}

// sign adds the headers of https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md: the message's
// id, the time, and, where there is a secret, HMAC-SHA256 over both and the body.
func (s *Sender) sign(h http.Header, id string, body []byte, now time.Time) error {
	at := strconv.FormatInt(now.Unix(), 10)
	h.Set("Webhook-Id", id)
	h.Set("Webhook-Timestamp", at)
	if s.o.Secret == nil {
		return nil
	}
	secret, err := s.o.Secret()
	if err != nil {
		return rotator.NewFault("sign a message", rotator.Invalid, "reading the signing secret: %w", err)
	}
	defer secret.Wipe()
	key, err := signingKey(secret.Reveal())
	if err != nil {
		return rotator.NewFault("sign a message", rotator.Invalid, "%w", err)
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(id + "." + at + "."))
	mac.Write(body)
	h.Set("Webhook-Signature", "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	return nil
}

// signingKey is the secret's bytes, which that specification writes as base64 behind "whsec_"; any other text is taken as it is.
func signingKey(secret []byte) ([]byte, error) {
	encoded, ok := bytes.CutPrefix(secret, []byte("whsec_"))
	if !ok {
		return secret, nil
	}
	key, err := base64.StdEncoding.AppendDecode(nil, encoded)
	if err != nil {
		return nil, errors.New("the signing secret begins with whsec_ and is not base64 behind it")
	}
	return key, nil
}
