package rotatortest

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rotatord/rotatord/rotator"
)

// Hook is called before and after the effect of each call. An error before keeps the effect from happening; an error
// after loses the answer. op is the method's name.
type Hook func(op string, after bool) error

// Provider is an issuing system in memory.
type Provider struct {
	// Lim is what Limits returns.
	Lim rotator.Limits
	// Lifetime gives minted keys an expiry, if set.
	Lifetime time.Duration
	orders   atomic.Pointer[Hook]

	mu          sync.Mutex
	calls       map[string]int
	acceptAfter time.Duration
	listAfter   time.Duration
	showAfter   time.Duration
	users       []rotator.ServiceUser
	madeAt      map[string]time.Time // when users were created; those that were there from the start are not in it
	keys        []*fakeKey
	nextID      int
	mints       int
	retired     []string
}

type fakeKey struct {
	rotator.Key
	secret string
	made   time.Time
	// told is true for a key that a provider without lists knows of from its configuration.
	told bool
}

// live reports whether the provider accepts the key now.
func (k *fakeKey) live() bool {
	return k.State == rotator.KeyActive && (k.Expires.IsZero() || k.Expires.After(time.Now()))
}

// NewProvider returns a provider without users that reports last use and knows no caps.
func NewProvider() *Provider {
	return &Provider{Lim: rotator.Limits{ReportsLastUse: true, Propagation: time.Minute}, nextID: 1,
		calls: map[string]int{}, madeAt: map[string]time.Time{}}
}

// AddUser adds an active service user.
func (p *Provider) AddUser(id, name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.users = append(p.users, rotator.ServiceUser{ID: id, Name: name, Active: true})
}

// AddKey adds an active key of the given age and returns its id and secret.
func (p *Provider) AddKey(userID, name string, created time.Time) (id, secret string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	k := p.add(userID, name, created)
	k.told = true
	return k.ID, k.secret
}

// SetExpiry gives a key an expiry; the zero time takes it away.
func (p *Provider) SetExpiry(id string, at time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, k := range p.keys {
		if k.ID == id {
			k.Expires = at
		}
	}
}

// MakeByHand is what a person does in the provider's page: a key, which a provider without lists does not know of.
func (p *Provider) MakeByHand(userID, name string, expires time.Time) (id, secret string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	k := p.add(userID, name, time.Now())
	k.Expires = expires
	return k.ID, k.secret
}

// RemoveByHand is what a person does with a key that nobody needs any more. A provider without lists does not notice.
func (p *Provider) RemoveByHand(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, k := range p.keys {
		if k.ID == id {
			k.State = rotator.KeyRevoked
		}
	}
}

// Calls counts how often a method was called.
func (p *Provider) Calls(op string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.calls[op]
}

func (p *Provider) add(userID, name string, created time.Time) *fakeKey {
	k := &fakeKey{secret: rand.Text(), made: created}
	k.Key = rotator.Key{ID: strconv.Itoa(p.nextID), UserID: userID, Name: name, Created: created, State: rotator.KeyActive}
	p.nextID++
	p.keys = append(p.keys, k)
	return k
}

// SetHook orders faults from now on; nil orders none.
func (p *Provider) SetHook(h Hook) { p.orders.Store(&h) }

// SetAcceptAfter says how long a new key is refused.
func (p *Provider) SetAcceptAfter(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.acceptAfter = d
}

// SetListAfter says how long a new key is not listed.
func (p *Provider) SetListAfter(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.listAfter = d
}

func (p *Provider) hook(op string, after bool) error {
	if !after {
		p.mu.Lock()
		p.calls[op]++
		p.mu.Unlock()
	}
	return call(&p.orders, op, after)
}

// call asks the hook that is set, if any.
func call(orders *atomic.Pointer[Hook], op string, after bool) error {
	if h := orders.Load(); h != nil && *h != nil {
		return (*h)(op, after)
	}
	return nil
}

// Limits implements [rotator.Provider].
func (p *Provider) Limits() rotator.Limits { return p.Lim }

// Scan implements [rotator.Provider].
func (p *Provider) Scan(ctx context.Context, scope rotator.Scope, v rotator.Visitor) error {
	op := "Scan"
	if scope.UserID != "" {
		op = "List"
	}
	if err := cmpErr(ctx.Err(), p.hook(op, false)); err != nil {
		return err
	}
	users, keys := p.listed(scope.UserID)
	for _, u := range users {
		if err := v.User(u); err != nil {
			return err
		}
	}
	for _, k := range keys {
		if err := v.Key(k); err != nil {
			return err
		}
	}
	return p.hook(op, true)
}

func (p *Provider) listed(userID string) ([]rotator.ServiceUser, []rotator.Key) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var keys []rotator.Key
	for _, k := range p.keys {
		if (userID == "" || k.UserID == userID) && p.lists(k) {
			keys = append(keys, p.asListed(k))
		}
	}
	if userID != "" {
		return nil, keys
	}
	return slices.DeleteFunc(slices.Clone(p.users), func(u rotator.ServiceUser) bool { return !p.shows(u.ID) }), keys
}

func (p *Provider) lists(k *fakeKey) bool {
	if p.Lim.Unlisted {
		return k.told
	}
	return time.Since(k.made) >= p.listAfter && p.shows(k.UserID)
}

// asListed is the key as it is listed: a configuration knows nothing of what became of a key.
func (p *Provider) asListed(k *fakeKey) rotator.Key {
	listed := k.Key
	if p.Lim.Unlisted {
		listed.State = rotator.KeyActive
	}
	return listed
}

// shows reports whether the user is listed yet; the caller holds mu.
func (p *Provider) shows(userID string) bool { return time.Since(p.madeAt[userID]) >= p.showAfter }

// Mint implements [rotator.Provider].
func (p *Provider) Mint(ctx context.Context, req rotator.MintRequest) (rotator.Minted, error) {
	if err := cmpErr(ctx.Err(), p.hook("Mint", false)); err != nil {
		return rotator.Minted{}, err
	}
	p.mu.Lock()
	p.mints++
	k := p.add(req.UserID, req.Name, time.Now())
	k.Restriction = req.Restriction
	if p.Lifetime > 0 {
		k.Expires = k.Created.Add(p.Lifetime)
	}
	m := rotator.Minted{KeyID: k.ID, Secret: rotator.SecretString(k.secret), Created: k.Created, Expires: k.Expires}
	p.mu.Unlock()
	return m, p.hook("Mint", true)
}

// Check implements [rotator.Provider].
func (p *Provider) Check(ctx context.Context, userID string, secret rotator.Secret) error {
	if err := cmpErr(ctx.Err(), p.hook("Check", false)); err != nil {
		return err
	}
	owner, err := p.Use(string(secret.Reveal()))
	if err != nil {
		return err
	}
	if owner != userID {
		return rotator.NewFault("check", rotator.Conflict, "the key belongs to user %s", owner)
	}
	return p.hook("Check", true)
}

// Use is what a consumer does: it authenticates with the secret, and the provider remembers when.
func (p *Provider) Use(secret string) (userID string, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, k := range p.keys {
		if k.secret == secret && k.live() && time.Since(k.made) >= p.acceptAfter {
			k.LastUsed = time.Now()
			return k.UserID, nil
		}
	}
	return "", rotator.NewFault("check", rotator.Denied, "the key is refused")
}

// Accepts reports whether the secret would authenticate now, without using it.
func (p *Provider) Accepts(secret string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.ContainsFunc(p.keys, func(k *fakeKey) bool { return k.secret == secret && k.live() })
}

// Retire implements [rotator.Provider].
func (p *Provider) Retire(ctx context.Context, key rotator.Key) error {
	return p.setState(ctx, "Retire", key.ID, rotator.KeyRevoked)
}

func (p *Provider) setState(ctx context.Context, op, id string, s rotator.KeyState) error {
	if err := cmpErr(ctx.Err(), p.hook(op, false)); err != nil {
		return err
	}
	p.mu.Lock()
	for _, k := range p.keys {
		if k.ID == id && k.State != s {
			k.State = s
			p.retired = append(p.retired, id)
		}
	}
	p.mu.Unlock()
	return p.hook(op, true)
}

// Mints counts the keys that were made through Mint.
func (p *Provider) Mints() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.mints
}

// Keys returns all keys as they are.
func (p *Provider) Keys() []rotator.Key {
	p.mu.Lock()
	defer p.mu.Unlock()
	keys := make([]rotator.Key, 0, len(p.keys))
	for _, k := range p.keys {
		keys = append(keys, k.Key)
	}
	return keys
}

// Restrict narrows a key.
func (p *Provider) Restrict(id, restriction string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, k := range p.keys {
		if k.ID == id {
			k.Restriction = restriction
		}
	}
}

// Active returns the names of a user's active keys.
func (p *Provider) Active(userID string) []string {
	var names []string
	for _, k := range p.Keys() {
		if k.UserID == userID && k.State == rotator.KeyActive {
			names = append(names, k.Name)
		}
	}
	slices.Sort(names)
	return names
}

// SecretOf returns the secret of a key, which a provider would not.
func (p *Provider) SecretOf(id string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, k := range p.keys {
		if k.ID == id {
			return k.secret
		}
	}
	return ""
}

// Disabling is a provider that can disable keys too.
type Disabling struct{ *Provider }

// Disable implements [rotator.Disabler].
func (d Disabling) Disable(ctx context.Context, key rotator.Key) error {
	return d.setState(ctx, "Disable", key.ID, rotator.KeyDisabled)
}

// Enable implements [rotator.Disabler].
func (d Disabling) Enable(ctx context.Context, key rotator.Key) error {
	return d.setState(ctx, "Enable", key.ID, rotator.KeyActive)
}

func cmpErr(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return fmt.Errorf("%w", err)
		}
	}
	return nil
}
