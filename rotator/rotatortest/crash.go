package rotatortest

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/rotatord/rotatord/rotator"
)

// ErrCrashed is what everything answers after the crash.
var ErrCrashed = errors.New("crashed")

// Crash stands for one life of the daemon. Every journal write and every effect of what it wraps is two points: just
// before it, and just after it. At the chosen point the life ends: from then on nothing it wraps has an effect.
type Crash struct {
	// At is the point at which to crash, counted from 1; 0 never crashes.
	At int
	// OnCrash is called once, at the crash.
	OnCrash func()

	mu     sync.Mutex
	points int
	dead   bool
	where  string
}

// Points returns how many points have been passed.
func (c *Crash) Points() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.points
}

// Where names the point of the crash; empty if there was none.
func (c *Crash) Where() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.where
}

// pass is called at each point.
func (c *Crash) pass(where string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dead {
		return ErrCrashed
	}
	c.points++
	if c.points == c.At {
		c.dead, c.where = true, where
		if c.OnCrash != nil {
			c.OnCrash()
		}
		return ErrCrashed
	}
	return nil
}

func around[T any](c *Crash, what string, effect func() (T, error)) (T, error) {
	var none T
	if err := c.pass("before " + what); err != nil {
		return none, err
	}
	v, err := effect()
	if crashed := c.pass("after " + what); crashed != nil {
		return none, crashed
	}
	return v, err
}

func aroundErr(c *Crash, what string, effect func() error) error {
	_, err := around(c, what, func() (struct{}, error) { return struct{}{}, effect() })
	return err
}

// Provider wraps a provider that cannot disable.
func (c *Crash) Provider(p rotator.Provider) rotator.Provider { return &crashProvider{p, c} }

// Disabling wraps a provider that can.
func (c *Crash) Disabling(p interface {
	rotator.Provider
	rotator.Disabler
}) rotator.Provider {
	return &crashDisabler{crashProvider{p, c}, p}
}

type crashProvider struct {
	rotator.Provider
	c *Crash
}

func (p *crashProvider) Scan(ctx context.Context, s rotator.Scope, v rotator.Visitor) error {
	return aroundErr(p.c, "Scan", func() error { return p.Provider.Scan(ctx, s, v) })
}

func (p *crashProvider) Mint(ctx context.Context, r rotator.MintRequest) (rotator.Minted, error) {
	return around(p.c, "Mint", func() (rotator.Minted, error) { return p.Provider.Mint(ctx, r) })
}

func (p *crashProvider) Check(ctx context.Context, userID string, s rotator.Secret) error {
	return aroundErr(p.c, "Check", func() error { return p.Provider.Check(ctx, userID, s) })
}

func (p *crashProvider) Retire(ctx context.Context, k rotator.Key) error {
	return aroundErr(p.c, "Retire", func() error { return p.Provider.Retire(ctx, k) })
}

type crashDisabler struct {
	crashProvider
	d rotator.Disabler
}

func (d *crashDisabler) Disable(ctx context.Context, k rotator.Key) error {
	return aroundErr(d.c, "Disable", func() error { return d.d.Disable(ctx, k) })
}

func (d *crashDisabler) Enable(ctx context.Context, k rotator.Key) error {
	return aroundErr(d.c, "Enable", func() error { return d.d.Enable(ctx, k) })
}

// Capable wraps a provider that can do what only some can.
func (c *Crash) Capable(p *Capable) rotator.Provider { return &crashCapable{crashProvider{p, c}, p} }

type crashCapable struct {
	crashProvider
	able *Capable
}

func (p *crashCapable) Extend(ctx context.Context, k rotator.Key, until time.Time) (time.Time, error) {
	return around(p.c, "Extend", func() (time.Time, error) { return p.able.Extend(ctx, k, until) })
}

func (p *crashCapable) Self(ctx context.Context) (userID string, s rotator.Secret, err error) {
	err = aroundErr(p.c, "Self", func() (err error) {
		userID, s, err = p.able.Self(ctx)
		return err
	})
	return userID, s, err
}

func (p *crashCapable) HowToMake(userID, userName, keyName string, until time.Time) string {
	return p.able.HowToMake(userID, userName, keyName, until)
}

func (p *crashCapable) HowToRemove(userID, userName string, k rotator.Key) string {
	return p.able.HowToRemove(userID, userName, k)
}

func (p *crashCapable) Users(ctx context.Context, q rotator.UserQuery, visit func(rotator.UserDetails) error) error {
	return p.able.Users(ctx, q, visit)
}

func (p *crashCapable) ShowUser(ctx context.Context, id string) (rotator.UserDetails, error) {
	return around(p.c, "ShowUser", func() (rotator.UserDetails, error) { return p.able.ShowUser(ctx, id) })
}

func (p *crashCapable) CheckUser(s rotator.UserSpec) []string { return p.able.CheckUser(s) }

func (p *crashCapable) CreateUser(ctx context.Context, s rotator.UserSpec) (rotator.CreatedUser, error) {
	return around(p.c, "CreateUser", func() (rotator.CreatedUser, error) { return p.able.CreateUser(ctx, s) })
}

func (p *crashCapable) UpdateUser(ctx context.Context, id string, s rotator.UserSpec) error {
	return aroundErr(p.c, "UpdateUser", func() error { return p.able.UpdateUser(ctx, id, s) })
}

// Sink wraps a sink.
func (c *Crash) Sink(s rotator.Sink) rotator.Sink { return &crashSink{s, c} }

type crashSink struct {
	rotator.Sink
	c *Crash
}

func (s *crashSink) Deliver(ctx context.Context, d rotator.Delivery) (rotator.Receipt, error) {
	return around(s.c, "Deliver", func() (rotator.Receipt, error) { return s.Sink.Deliver(ctx, d) })
}

func (s *crashSink) Observe(ctx context.Context, k rotator.Coordinates, location string) (rotator.Observation, error) {
	return around(s.c, "Observe", func() (rotator.Observation, error) { return s.Sink.Observe(ctx, k, location) })
}

// Store wraps a store: its writes are points.
func (c *Crash) Store(s rotator.Store) rotator.Store { return &crashStore{s, c} }

type crashStore struct {
	rotator.Store
	c *Crash
}

func (s *crashStore) Commit(ctx context.Context, ch rotator.Change) error {
	return aroundErr(s.c, "commit of "+string(ch.After.Stage), func() error { return s.Store.Commit(ctx, ch) })
}

func (s *crashStore) Merge(ctx context.Context, provider string, users []rotator.UserRow, keys []rotator.KeyRow) error {
	return aroundErr(s.c, "merge", func() error { return s.Store.Merge(ctx, provider, users, keys) })
}

func (s *crashStore) SetLook(ctx context.Context, k rotator.TrackedKey, at time.Time) error {
	return aroundErr(s.c, "set look", func() error { return s.Store.SetLook(ctx, k, at) })
}

func (s *crashStore) SaveProviderState(ctx context.Context, st rotator.ProviderState) error {
	return aroundErr(s.c, "save provider state", func() error { return s.Store.SaveProviderState(ctx, st) })
}

func (s *crashStore) SaveProvision(ctx context.Context, p rotator.Provision) error {
	return aroundErr(s.c, "save provision "+string(p.State), func() error { return s.Store.SaveProvision(ctx, p) })
}

func (s *crashStore) ForgetProvision(ctx context.Context, provider, label string) error {
	return aroundErr(s.c, "forget provision", func() error { return s.Store.ForgetProvision(ctx, provider, label) })
}

func (s *crashStore) BeginHookRuns(ctx context.Context, call string, ids []string) error {
	return aroundErr(s.c, "begin hook", func() error { return s.Store.BeginHookRuns(ctx, call, ids) })
}

func (s *crashStore) EndHookRuns(ctx context.Context, ids []string, r rotator.HookResult, detail string, at time.Time) error {
	return aroundErr(s.c, "end hook", func() error { return s.Store.EndHookRuns(ctx, ids, r, detail, at) })
}

func (s *crashStore) FailHookRuns(ctx context.Context, ids []string, trouble string, unknown bool, nextAt time.Time) error {
	return aroundErr(s.c, "fail hook", func() error { return s.Store.FailHookRuns(ctx, ids, trouble, unknown, nextAt) })
}

// Effect wraps an effect of another kind than those above.
func (c *Crash) Effect(what string, effect func() error) error { return aroundErr(c, what, effect) }
