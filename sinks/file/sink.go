package file

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/sinks/mark"
	"github.com/rotatord/rotatord/sinks/pathtemplate"
	"github.com/rotatord/rotatord/sinks/stripe"
	"golang.org/x/sys/unix"
)

// Sink delivers into files. It implements [rotator.Sink].
type Sink struct {
	options  Options
	root     string
	template *pathtemplate.Template
	layout   layout
	uid, gid int
	locks    *stripe.Locks
	making   sync.Mutex // held while a folder is made
	// large are the folders with many entries that were swept already; small ones are swept at each delivery.
	large sync.Map
	// step stops a delivery in tests; nil otherwise.
	step func(what string) error
}

var _ rotator.Sink = (*Sink)(nil)

// largeFolder is from how many entries on a folder is swept only once.
const largeFolder = 256

// New makes a sink. It touches no file: a folder that is missing or not mounted yet is the first delivery's fault, so one sink does
// not keep the daemon from starting. The error joins everything that is wrong with the options.
func New(o Options) (*Sink, error) {
	t, err := pathtemplate.Parse(o.Path)
	if err != nil {
		return nil, fmt.Errorf("file sink: %w", err)
	}
	err = o.fill(t)
	uid, ownerErr := ownerID(o.Owner)
	gid, groupErr := groupID(o.Group)
	layout, layoutErr := newLayout(o)
	if err := errors.Join(err, ownerErr, groupErr, layoutErr); err != nil {
		return nil, fmt.Errorf("file sink: %w", err)
	}
	return &Sink{options: o, root: o.Root, template: t, layout: layout, uid: uid, gid: gid, locks: stripe.New()}, nil
}

// Location is the absolute path of the credential's file.
func (s *Sink) Location(c rotator.Coordinates) (string, error) {
	location, err := s.template.Render(c)
	if err != nil {
		return "", err
	}
	return location, s.check(location)
}

// check refuses locations that are not this sink's to write.
func (s *Sink) check(location string) error {
	const op = "locate file"
	if err := pathtemplate.Check(location); err != nil {
		return rotator.NewFault(op, rotator.Invalid, "%w", err)
	}
	name := path.Base(location)
	switch {
	case !strings.HasPrefix(location, s.root+"/"):
		return rotator.NewFault(op, rotator.Invalid, "%s is not below the sink's root %s", location, s.root)
	case len(name) > maxName:
		return rotator.NewFault(op, rotator.Invalid, "the file name %q has %d bytes, and %d is the most that leaves room for the mark beside it",
			name, len(name), maxName)
	case strings.HasSuffix(name, ledgerSuffix), strings.HasSuffix(name, tempSuffix), strings.HasSuffix(name, previousSuffix):
		return rotator.NewFault(op, rotator.Invalid, "the file name %q ends like the files that rotatord keeps beside others; choose another", name)
	}
	return nil
}

// Deliver replaces the file, as the package's text says. Its receipt names the file.
func (s *Sink) Deliver(ctx context.Context, d rotator.Delivery) (rotator.Receipt, error) {
	op := "write " + d.Location
	if err := errors.Join(mark.Check(op, d), s.check(d.Location)); err != nil {
		return rotator.Receipt{}, err
	}
	content, err := s.layout.render(d)
	if err != nil {
		return rotator.Receipt{}, rotator.NewFault(op, rotator.Invalid, "%w", err)
	}
	unlock, err := s.locks.Lock(ctx, d.Location)
	if err != nil {
		return rotator.Receipt{}, classify(op, err)
	}
	defer unlock()
	if err := s.deliver(op, d, content); err != nil {
		return rotator.Receipt{}, classify(op, err)
	}
	return rotator.Receipt{Detail: fmt.Sprintf("%s (%s, mode %04o)", d.Location, s.options.Format, s.options.Mode)}, nil
}

func (s *Sink) deliver(op string, d rotator.Delivery, content []byte) error {
	at, err := s.open(d.Location, true)
	if err != nil {
		return err
	}
	defer at.close()
	if err := s.sweep(at, path.Dir(d.Location)); err != nil {
		return err
	}
	now, err := s.look(at, d.Location)
	if err != nil {
		return err
	}
	verdict, err := mark.Decide(op, now.found(), d, s.options.AdoptExisting && !now.odd)
	switch {
	case err != nil:
		return err
	case verdict == mark.Keep:
		return s.settle(at, d.Location, now)
	default:
		return s.replace(at, now, d, content)
	}
}

// sweep clears a folder of what an earlier process left in it, so that plaintext does not lie about.
func (s *Sink) sweep(at folder, dir string) error {
	if _, done := s.large.Load(dir); done {
		return nil
	}
	entries, err := at.sweep()
	if entries >= largeFolder {
		s.large.Store(dir, struct{}{})
	}
	return err
}

// replace brings the new content in: the mark that allows both contents, the content, the mark that allows the new one alone.
func (s *Sink) replace(at folder, now state, d rotator.Delivery, content []byte) error {
	name, as := path.Base(d.Location), owned{s.uid, s.gid, s.options.Mode}
	coming := describe(d, content)
	both := ledger{}
	if now.match != nil {
		both.Entries = append(both.Entries, *now.match)
	}
	both.Entries = append(both.Entries, coming)
	if err := s.record(at, name, both); err != nil {
		return err
	}
	if s.options.KeepPrevious && now.present {
		if err := at.replace(name+previousSuffix, now.content, as); err != nil {
			return err
		}
	}
	if err := at.replace(name, content, as); err != nil {
		return err
	}
	return s.record(at, name, ledger{Entries: []entry{coming}})
}

// settle completes a delivery that was cut short after its content arrived.
func (s *Sink) settle(at folder, location string, now state) error {
	if len(now.ledger.Entries) == 1 {
		return nil
	}
	return s.record(at, path.Base(location), ledger{Entries: []entry{*now.match}})
}

func (s *Sink) record(at folder, name string, l ledger) error {
	text, err := l.encode(name)
	if err != nil {
		return fmt.Errorf("encode the mark of %s: %w", name, err)
	}
	return at.replace(ledgerName(name), text, owned{s.uid, s.gid, s.options.Mode})
}

func ledgerName(name string) string { return "." + name + ledgerSuffix }

// Observe reads the file. A file that was changed is parsed all the same, where its format can be.
func (s *Sink) Observe(ctx context.Context, _ rotator.Coordinates, location string) (rotator.Observation, error) {
	op := "read " + location
	if err := s.check(location); err != nil {
		return rotator.Observation{}, err
	}
	unlock, err := s.locks.Lock(ctx, location) // between the two renames of a delivery the mark is ahead
	if err != nil {
		return rotator.Observation{}, classify(op, err)
	}
	defer unlock()
	at, err := s.open(location, false)
	if errors.Is(err, fs.ErrNotExist) {
		return rotator.Observation{}, nil
	}
	if err != nil {
		return rotator.Observation{}, classify(op, err)
	}
	defer at.close()
	now, err := s.look(at, location)
	if err != nil {
		return rotator.Observation{}, classify(op, err)
	}
	return now.found().Observation(), nil
}

// Ping reports whether files can be written below the root, without writing one. A root that does not exist yet can be, if the
// nearest folder above it can.
func (s *Sink) Ping(ctx context.Context) error {
	op := "check " + s.root
	if err := ctx.Err(); err != nil {
		return classify(op, err)
	}
	dir := s.root
	for dir != "/" {
		if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
			break
		}
		dir = path.Dir(dir)
	}
	if err := unix.Faccessat(unix.AT_FDCWD, dir, unix.W_OK|unix.X_OK, unix.AT_EACCESS); err != nil {
		return classify(op, &fs.PathError{Op: "access", Path: dir, Err: err})
	}
	return nil
}

// state is what is at a location.
type state struct {
	location string
	present  bool
	odd      bool // no regular file: never replaced
	foreign  string
	content  []byte
	ledger   ledger
	match    *entry // the description that fits the content; nil when none does
	secret   []byte
}

func (s *Sink) look(at folder, location string) (state, error) {
	name, now := path.Base(location), state{location: location}
	text, _, err := at.read(ledgerName(name))
	if err == nil {
		now.ledger = decodeLedger(text)
	} else if _, odd := errors.AsType[errOdd](err); !odd && !errors.Is(err, fs.ErrNotExist) {
		return now, err
	}
	content, info, err := at.read(name)
	if errors.Is(err, fs.ErrNotExist) {
		return now, nil
	}
	if odd, ok := errors.AsType[errOdd](err); ok {
		now.present, now.odd, now.foreign = true, true, odd.Error()
		return now, nil
	}
	if err != nil {
		return now, err
	}
	now.present, now.content, now.match = true, content, now.ledger.find(content)
	at0 := span{}
	if now.match == nil {
		now.foreign = strange(now.ledger, name, info)
	} else {
		at0 = now.match.span
	}
	now.secret = s.layout.extract(content, at0)
	return now, nil
}

// strange says what is known about a file that is not ours.
func strange(l ledger, name string, info fs.FileInfo) string {
	by := ""
	if status, ok := info.Sys().(*syscall.Stat_t); ok {
		by = fmt.Sprintf(" and belongs to user %d", status.Uid)
	}
	last := fmt.Sprintf("it was last changed at %s%s", info.ModTime().UTC().Format(time.RFC3339), by)
	if newest := l.newest(); newest != nil {
		return fmt.Sprintf("its content is not what rotation %s left there as version %d (key %s); %s",
			newest.Rotation, newest.Version, newest.KeyID, last)
	}
	return fmt.Sprintf("there is no mark beside it (%s); %s", ledgerName(name), last)
}

// found puts the state into the terms of the common decision.
func (n state) found() mark.Found {
	f := mark.Found{
		Present: n.present, Foreign: n.foreign, Secret: rotator.NewSecret(n.secret), Where: n.location,
		Remove: fmt.Sprintf("rm %s %s", n.location, path.Join(path.Dir(n.location), ledgerName(path.Base(n.location)))),
	}
	known := n.match
	if known == nil {
		known = n.ledger.newest()
	}
	if known != nil {
		f.Mark = &known.Mark
	}
	return f
}
