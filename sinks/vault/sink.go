package vault

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/hashicorp/vault/api"
	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/sinks/mark"
	"github.com/rotatord/rotatord/sinks/pathtemplate"
	"github.com/rotatord/rotatord/sinks/stripe"
	"github.com/rotatord/rotatord/sinks/vault/session"
)

// Sink delivers into a key-value engine. It implements [rotator.Sink].
type Sink struct {
	options  Options
	template *pathtemplate.Template
	session  *session.Session
	locks    *stripe.Locks

	mu     sync.Mutex
	engine engine // nil until the server was asked
}

var _ rotator.Sink = (*Sink)(nil)

// New makes a sink. It reads the certificates and sends nothing: a server that is away is the first delivery's fault, so one sink does
// not keep the daemon from starting. The error joins everything that is wrong with the options.
func New(o Options) (*Sink, error) {
	err := o.fill()
	t, templateErr := pathtemplate.Parse(o.Path)
	login, loginErr := session.New(o.session())
	if err := errors.Join(loginErr, err, templateErr); err != nil {
		return nil, fmt.Errorf("vault sink: %w", err)
	}
	return &Sink{options: o, template: t, session: login, locks: stripe.New()}, nil
}

// Location is the mount, a slash and the path below it.
func (s *Sink) Location(c rotator.Coordinates) (string, error) {
	path, err := s.template.Render(c)
	if err != nil {
		return "", err
	}
	location := s.options.Mount + "/" + path
	return location, s.check(location)
}

// check refuses locations that are not this sink's to write.
func (s *Sink) check(location string) error {
	const op = "locate entry"
	if err := pathtemplate.Check(location); err != nil {
		return rotator.NewFault(op, rotator.Invalid, "%w", err)
	}
	if !strings.HasPrefix(location, s.options.Mount+"/") {
		return rotator.NewFault(op, rotator.Invalid, "%s is not below the sink's mount %s", location, s.options.Mount)
	}
	return nil
}

// below is the location's path below the mount.
func (s *Sink) below(location string) string {
	return strings.TrimPrefix(location, s.options.Mount+"/")
}

// rounds is how often a delivery looks again after somebody else wrote in the same moment.
const rounds = 3

// Deliver writes the entry, as the package's text says. Its receipt names the entry and its number in the engine.
func (s *Sink) Deliver(ctx context.Context, d rotator.Delivery) (rotator.Receipt, error) {
	op := "kv put " + d.Location
	if err := errors.Join(mark.Check(op, d), s.check(d.Location)); err != nil {
		return rotator.Receipt{}, err
	}
	if !utf8.Valid(d.Secret.Reveal()) {
		return rotator.Receipt{}, rotator.NewFault(op, rotator.Invalid, "the secret holds bytes that are not UTF-8, which JSON cannot carry; deliver it to a raw file")
	}
	unlock, err := s.locks.Lock(ctx, d.Location)
	if err != nil {
		return rotator.Receipt{}, session.Classify(op, err)
	}
	defer unlock()
	e, err := s.detect(ctx)
	if err != nil {
		return rotator.Receipt{}, err
	}
	for range rounds {
		detail, err := s.deliver(ctx, op, e, d)
		if !errors.Is(err, errMoved) {
			return rotator.Receipt{Detail: detail}, err
		}
	}
	return rotator.Receipt{}, rotator.NewFault(op, rotator.Conflict,
		"somebody else wrote there %d times while version %d was to be delivered; nothing was overwritten. Find out who writes to it", rounds, d.Version)
}

// deliver looks, decides and writes once. An errMoved means that it has to look again.
func (s *Sink) deliver(ctx context.Context, op string, e engine, d rotator.Delivery) (detail string, err error) {
	now, err := s.read(ctx, e, d.Location)
	if err != nil {
		return "", err
	}
	verdict, err := mark.Decide(op, s.examine(e, now, d.Location), d, s.options.AdoptExisting)
	if err != nil {
		return "", err
	}
	if verdict == mark.Write {
		if err := s.write(ctx, op, e, d, now); err != nil {
			return "", err
		}
		if now, err = s.written(ctx, e, d.Location, now); err != nil {
			return "", err
		}
	}
	return e.where(d.Location, now), s.annotate(ctx, e, d, now)
}

// written is what an entry is after it was written over now. Metadata that somebody made before there was any version come to light
// only with the first one.
func (s *Sink) written(ctx context.Context, e engine, location string, now entry) (entry, error) {
	after := entry{kv: e.next(now), custom: now.custom}
	if e.version() == 1 || now.kv != 0 {
		return after, nil
	}
	seen, err := s.read(ctx, e, location)
	after.custom = seen.custom
	return after, err
}

// write replaces what was read. When the answer is lost, it reads back what became of it.
func (s *Sink) write(ctx context.Context, op string, e engine, d rotator.Delivery, now entry) error {
	err := s.call(ctx, opWrite, func(c *api.Client) error {
		err := e.write(ctx, c, s.below(d.Location), now, s.compose(now, d, e.next(now)))
		if errors.Is(err, errMoved) {
			return rotator.NewFault(op, rotator.Conflict, "%w", err)
		}
		return session.Classify(op, err, d.Secret)
	})
	if err == nil || certain(err) {
		return err
	}
	after, readErr := s.read(ctx, e, d.Location)
	if readErr != nil {
		return rotator.NewFault(op, rotator.UnknownOutcome, "the write was sent, and it could not be read back what became of it (%w): %w", readErr, err)
	}
	found := s.examine(e, after, d.Location)
	if verdict, _ := mark.Decide(op, found, d, false); verdict == mark.Keep {
		return nil
	}
	return err
}

// certain reports whether a failed write is known to have changed nothing.
func certain(err error) bool {
	if kind := rotator.KindOf(err); kind != rotator.Transient {
		return true
	}
	if dial, ok := errors.AsType[*net.OpError](err); ok && dial.Op == "dial" {
		return true
	}
	return session.Elsewhere(err) || session.Sealed(err)
}

// annotate brings the custom metadata up to date. The secret is readable by now; failing here makes the delivery be repeated.
func (s *Sink) annotate(ctx context.Context, e engine, d rotator.Delivery, now entry) error {
	custom, changed := withMetadata(now.custom, metadataOf(d))
	if !changed || e.version() == 1 {
		return nil
	}
	op := "kv metadata put " + d.Location
	err := s.call(ctx, opMark, func(c *api.Client) error {
		return session.Classify(op, e.annotate(ctx, c, s.below(d.Location), custom), d.Secret)
	})
	if rotator.KindOf(err) == rotator.Denied {
		return rotator.NewFault(op, rotator.Denied, "the secret itself was delivered; the policy must also allow create and update on %s/metadata/%s: %w",
			s.options.Mount, s.below(d.Location), err)
	}
	return err
}

// Observe reads the entry as a consumer does.
func (s *Sink) Observe(ctx context.Context, _ rotator.Coordinates, location string) (rotator.Observation, error) {
	if err := s.check(location); err != nil {
		return rotator.Observation{}, err
	}
	e, err := s.detect(ctx)
	if err != nil {
		return rotator.Observation{}, err
	}
	now, err := s.read(ctx, e, location)
	if err != nil {
		return rotator.Observation{}, err
	}
	return s.examine(e, now, location).Observation(), nil
}

// readTries is how often a read is sent; before a repetition it waits readPause, then twice as long.
const (
	readTries = 3
	readPause = 100 * time.Millisecond
)

func (s *Sink) read(ctx context.Context, e engine, location string) (entry, error) {
	op := "kv get " + location
	var now entry
	err := s.patiently(ctx, opRead, func(c *api.Client) (err error) {
		now, err = e.read(ctx, c, s.below(location))
		return session.Classify(op, err)
	})
	return now, err
}

// patiently is call for reads, which can be repeated.
func (s *Sink) patiently(ctx context.Context, operation string, send func(*api.Client) error) error {
	pause := readPause
	for try := 1; ; try++ {
		err := s.call(ctx, operation, send)
		if err == nil || try == readTries || rotator.KindOf(err) != rotator.Transient || session.Sealed(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause):
			pause *= 2
		}
	}
}

// call sends one request with a valid token, and tells the observer.
func (s *Sink) call(ctx context.Context, operation string, send func(*api.Client) error) error {
	return s.session.Call(ctx, operation, send)
}

// detect asks the server, once, for the engine's version.
func (s *Sink) detect(ctx context.Context) (engine, error) {
	s.mu.Lock()
	known := s.engine
	s.mu.Unlock()
	if known != nil {
		return known, nil
	}
	version, err := s.askVersion(ctx)
	if err != nil {
		return nil, err
	}
	flags := ""
	if s.options.Namespace != "" {
		flags = " -namespace=" + s.options.Namespace
	}
	var e engine = kv2{s.options.Mount, flags}
	if version == 1 {
		e = kv1{s.options.Mount, flags}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.engine = e
	return e, nil
}

// askVersion asks as the vault program does. A server or a proxy that does not say is believed to be as configured.
func (s *Sink) askVersion(ctx context.Context) (int, error) {
	op := "find the version of the engine at " + s.options.Mount
	var answer struct {
		Data struct {
			Type    string            `json:"type"`
			Options map[string]string `json:"options"`
		} `json:"data"`
	}
	err := s.patiently(ctx, opDetect, func(c *api.Client) error {
		_, err := get(ctx, c, "sys/internal/ui/mounts/"+s.options.Mount, &answer)
		return session.Classify(op, err)
	})
	unsaid := session.Status(err) == http.StatusForbidden || session.Status(err) == http.StatusNotFound
	switch {
	case unsaid && s.options.KVVersion != 0:
		return s.options.KVVersion, nil
	case unsaid:
		return 0, rotator.NewFault(op, rotator.KindOf(err), "there is no such mount, or the token has no policy for it; check mount and policy, or set kv_version: %w", err)
	case err != nil:
		return 0, err
	}
	if answer.Data.Type != "kv" && answer.Data.Type != "generic" {
		return 0, rotator.NewFault(op, rotator.Invalid, "it is of type %q, not kv; set mount to a key-value engine", answer.Data.Type)
	}
	version := 1
	if answer.Data.Options["version"] == "2" {
		version = 2
	}
	if s.options.KVVersion != 0 && s.options.KVVersion != version {
		return 0, rotator.NewFault(op, rotator.Invalid, "it has version %d and kv_version says %d; correct kv_version", version, s.options.KVVersion)
	}
	return version, nil
}

// Ping reports whether the server is there, unsealed, and takes the token. It renews the token where that is due.
func (s *Sink) Ping(ctx context.Context) error {
	return s.session.Check(ctx)
}

// CredentialEnds is when the token ends that a person, or another program, has to replace; zero for none. See [session.Session.Ends].
func (s *Sink) CredentialEnds() time.Time {
	return s.session.Ends()
}

// TokenExpiry is when the token in use ends: zero before the first login, and for a token that never ends.
func (s *Sink) TokenExpiry() time.Time {
	return s.session.Expires()
}
