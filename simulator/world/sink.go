package world

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/simulator/oracle"
)

// sink is a destination in memory, for all of the world's time. It keeps the contract of [rotator.Sink], unless a fault strikes.
type sink struct {
	w    *World
	spec Sink

	mu    sync.Mutex
	items map[string]*item
	down  []outage
}

type item struct {
	secret, rotation, fingerprint string
	version                       int
	foreign                       bool
	spoiled                       bool // somebody other than the daemon was here since it wrote last
	before                        *item
	visible                       time.Time // when readers see it; until then they see before
}

func (s *sink) failing(now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, o := range s.down {
		if !now.Before(o.from) && now.Before(o.to) {
			return true
		}
	}
	return false
}

// read is what a consumer reads at a place now.
func (s *sink) read(location string, now time.Time) (item, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.items[location]
	if i != nil && now.Before(i.visible) {
		i = i.before
	}
	if i == nil {
		return item{}, false
	}
	return *i, true
}

// spoil lets somebody else write, or, without a text, empty the place.
func (s *sink) spoil(location, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.items[location] = &item{secret: text, foreign: text != "", spoiled: true}
}

// mend takes away what somebody else wrote.
func (s *sink) mend(location string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.items[location]
	if i == nil || !i.foreign {
		return false
	}
	s.items[location] = &item{spoiled: true}
	return true
}

// connected is one life's way to a sink.
type connected struct {
	*sink
	l *life
}

// Location implements [rotator.Sink].
func (s *connected) Location(c rotator.Coordinates) (string, error) {
	return c.Provider + "/" + c.UserID + "/" + c.Credential, nil
}

func (s *connected) begin(ctx context.Context, op, location string) (Fault, error) {
	if err := s.l.point("before " + op); err != nil {
		return "", err
	}
	if err := wait(ctx, s.w.chance.latency(s.spec.Name+op+location)); err != nil {
		return "", err
	}
	if s.failing(s.w.now()) {
		return "", rotator.NewFault(op, rotator.Transient, "sink %s does not answer", s.spec.Name)
	}
	fault, _ := s.w.chance.strikes(s.spec.Name+" "+op+" "+location, SinkFails, SinkFailsLate, SinkLoses)
	if fault != "" {
		s.w.tell("fault", "%s in sink %s at %s", fault, s.spec.Name, location)
	}
	if fault == SinkFails {
		return "", rotator.NewFault(op, rotator.Transient, "sink %s failed", s.spec.Name)
	}
	return fault, nil
}

// Deliver implements [rotator.Sink].
func (s *connected) Deliver(ctx context.Context, d rotator.Delivery) (rotator.Receipt, error) {
	fault, err := s.begin(ctx, "deliver", d.Location)
	if err != nil {
		return rotator.Receipt{}, err
	}
	if fault != SinkLoses {
		if err := s.put(d); err != nil {
			return rotator.Receipt{}, err
		}
		s.w.delivered(d, oracle.Place{Sink: s.spec.Name, Location: d.Location})
	}
	if err := s.l.point("after deliver"); err != nil {
		return rotator.Receipt{}, err
	}
	if fault == SinkFailsLate {
		return rotator.Receipt{}, rotator.NewFault("deliver", rotator.Transient, "sink %s: the answer was lost", s.spec.Name)
	}
	return rotator.Receipt{Detail: fmt.Sprintf("%s version %d", d.Location, d.Version)}, nil
}

func (s *connected) put(d rotator.Delivery) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	there := s.items[d.Location]
	switch {
	case d.Secret.Empty():
		return rotator.NewFault("deliver", rotator.Invalid, "the secret is empty")
	case there != nil && there.foreign:
		return rotator.NewFault("deliver", rotator.Conflict, "somebody else wrote %s", d.Location)
	case there != nil && there.version > d.Version:
		return rotator.NewFault("deliver", rotator.Conflict, "version %d is there", there.version)
	case there != nil && there.version == d.Version && there.fingerprint == d.Fingerprint && !there.spoiled:
		return nil // the same again changes nothing
	}
	if there != nil {
		there.before = nil
	}
	s.items[d.Location] = &item{secret: string(d.Secret.Reveal()), rotation: d.Rotation, fingerprint: d.Fingerprint, version: d.Version,
		before: there, visible: s.w.now().Add(s.spec.Lag)}
	return nil
}

// Observe implements [rotator.Sink].
func (s *connected) Observe(ctx context.Context, _ rotator.Coordinates, location string) (rotator.Observation, error) {
	if _, err := s.begin(ctx, "observe", location); err != nil {
		return rotator.Observation{}, err
	}
	if err := s.l.point("after observe"); err != nil {
		return rotator.Observation{}, err
	}
	i, ok := s.read(location, s.w.now())
	if !ok || i.secret == "" {
		return rotator.Observation{}, nil
	}
	return rotator.Observation{Present: true, Ours: !i.foreign, Version: i.version, Rotation: i.rotation, Fingerprint: i.fingerprint,
		Secret: rotator.SecretString(i.secret)}, nil
}
