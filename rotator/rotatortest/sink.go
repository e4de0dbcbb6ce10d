package rotatortest

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/rotatord/rotatord/rotator"
)

// Sink is a destination in memory.
type Sink struct {
	// Where renders locations; nil is provider/user/credential.
	Where  func(rotator.Coordinates) string
	orders atomic.Pointer[Hook]

	mu    sync.Mutex
	items map[string]Item
}

// Item is what a sink holds at a location.
type Item struct {
	Secret      string
	Version     int
	Rotation    string
	Fingerprint string
	Foreign     bool
}

// NewSink returns an empty sink.
func NewSink() *Sink { return &Sink{items: map[string]Item{}} }

// Location implements [rotator.Sink].
func (s *Sink) Location(c rotator.Coordinates) (string, error) {
	if s.Where != nil {
		return s.Where(c), nil
	}
	return c.Provider + "/" + c.ServiceUser + "/" + c.Credential, nil
}

// SetHook orders faults from now on; nil orders none.
func (s *Sink) SetHook(h Hook) { s.orders.Store(&h) }

func (s *Sink) hook(op string, after bool) error { return call(&s.orders, op, after) }

// Deliver implements [rotator.Sink].
func (s *Sink) Deliver(ctx context.Context, d rotator.Delivery) (rotator.Receipt, error) {
	if err := cmpErr(ctx.Err(), s.hook("Deliver", false)); err != nil {
		return rotator.Receipt{}, err
	}
	if err := s.put(d); err != nil {
		return rotator.Receipt{}, err
	}
	return rotator.Receipt{Detail: "memory " + d.Location}, s.hook("Deliver", true)
}

func (s *Sink) put(d rotator.Delivery) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	there, present := s.items[d.Location]
	switch {
	case present && there.Foreign:
		return rotator.NewFault("deliver", rotator.Conflict, "somebody else wrote %s", d.Location)
	case present && there.Version > d.Version:
		return rotator.NewFault("deliver", rotator.Conflict, "version %d is there", there.Version)
	}
	s.items[d.Location] = Item{Secret: string(d.Secret.Reveal()), Version: d.Version, Rotation: d.Rotation, Fingerprint: d.Fingerprint}
	return nil
}

// Observe implements [rotator.Sink].
func (s *Sink) Observe(ctx context.Context, _ rotator.Coordinates, location string) (rotator.Observation, error) {
	if err := cmpErr(ctx.Err(), s.hook("Observe", false)); err != nil {
		return rotator.Observation{}, err
	}
	s.mu.Lock()
	i, ok := s.items[location]
	s.mu.Unlock()
	if !ok {
		return rotator.Observation{}, s.hook("Observe", true)
	}
	return rotator.Observation{Present: true, Ours: !i.Foreign, Version: i.Version, Rotation: i.Rotation,
		Fingerprint: i.Fingerprint, Secret: rotator.SecretString(i.Secret)}, s.hook("Observe", true)
}

// Put writes behind the daemon's back.
func (s *Sink) Put(location string, i Item) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.items[location] = i
}

// Remove deletes behind the daemon's back.
func (s *Sink) Remove(location string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.items, location)
}

// Items returns a copy of everything.
func (s *Sink) Items() map[string]Item {
	s.mu.Lock()
	defer s.mu.Unlock()
	items := make(map[string]Item, len(s.items))
	for k, v := range s.items {
		items[k] = v
	}
	return items
}
