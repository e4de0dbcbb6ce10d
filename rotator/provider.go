package rotator

import (
	"context"
	"time"
)

// ServiceUser is an identity at a provider. Keys belong to it.
type ServiceUser struct {
	// ID is the provider's own identifier, as text.
	ID string `json:"id"`
	// Name is what a person calls it; policies match on it, as they do on ID and Email. May be empty.
	Name string `json:"name,omitempty"`
	// Email is the contact that the provider keeps, if any.
	Email string `json:"email,omitempty"`
	// Login is the id that a person chose for it where that is neither ID nor Name (dataspot's loginId). May be empty.
	Login string `json:"login,omitempty"`
	// Active is false for users that the provider says cannot sign in.
	Active bool `json:"active"`
}

// KeyState is what the provider says of a key. Words of a provider that mean neither are [KeyOther].
type KeyState string

// The states of a key.
const (
	KeyActive   KeyState = "active"
	KeyDisabled KeyState = "disabled" // refused by the provider, can be brought back
	KeyRevoked  KeyState = "revoked"  // refused by the provider
	KeyExpired  KeyState = "expired"  // refused by the provider since its expiry; cannot be brought back
	KeyOther    KeyState = "other"    // a word we do not know: never treated as usable, never retired
)

// Refused reports whether the provider refuses such a key for good.
func (s KeyState) Refused() bool { return s == KeyRevoked || s == KeyExpired }

// Key is one access key of a service user, without its secret.
type Key struct {
	// ID is the provider's own identifier, as text.
	ID string
	// UserID is the ID of the [ServiceUser] that owns it.
	UserID string
	// Name is the provider's name for it; unique within a user only if the provider says so.
	Name string
	// Created is when the provider made it; zero if the provider does not say.
	Created time.Time
	// Expires is when the provider stops accepting it; zero for never.
	Expires time.Time
	// LastUsed is the provider's last-used time; zero if it was never used, or the provider does not report it.
	LastUsed time.Time
	// State is what the provider says of it.
	State KeyState
	// Restriction is what narrows the key's rights, in the provider's own words; empty for none. A replacement gets the
	// same, so that a rotation never widens what a key may do.
	Restriction string
}

// Visitor receives what a scan sees. An error from either method stops the scan and is returned by it.
type Visitor interface {
	// User is called once for each service user, before any of its keys.
	User(ServiceUser) error
	// Key is called once for each key. Its user may be unknown to the scan (a key of a human user, say).
	Key(Key) error
}

// Scope narrows a scan.
type Scope struct {
	// UserID, if set, asks for the keys of this one service user, fresh, in as few calls as the provider allows. The
	// visitor's User need not be called then.
	UserID string
}

// MintRequest asks for a key. Nothing about it is optional for the provider to honour: a provider that cannot set a
// lifetime returns [Limits.Expiry] false, and then Lifetime is not sent.
type MintRequest struct {
	UserID   string
	Name     string
	Lifetime time.Duration
	// Replaces is the id of the key that is replaced, whose like the new one is to be; empty for a first key.
	Replaces string
	// Restriction is the replaced key's; empty leaves it to the provider's configuration.
	Restriction string
}

// Minted is the one answer in which the secret exists.
type Minted struct {
	KeyID   string
	Secret  Secret
	Created time.Time // zero if the provider does not say
	Expires time.Time // zero for never, or if the provider does not say
}

// Limits are the facts about a provider that decisions need.
type Limits struct {
	// MaxNameLength caps a key's name in bytes; 0 is no known cap.
	MaxNameLength int
	// ValidNameRune reports whether a key's name may hold r; nil allows everything printable.
	ValidNameRune func(r rune) bool
	// MaxKeysPerUser caps a user's active keys; 0 is no known cap.
	MaxKeysPerUser int
	// Expiry is true where a key can be given a lifetime.
	Expiry bool
	// ReportsLastUse is true where [Key.LastUsed] is kept by the provider, so that zero means "never used".
	ReportsLastUse bool
	// Propagation is how long after a change the provider may still act on the old state: a new key may be refused,
	// and a key whose create call was lost may not be listed, for this long.
	Propagation time.Duration
	// CallsPerHour is how many calls the rates it is called under let through in an hour; 0 is no known bound.
	CallsPerHour int
	// Supplied is true where only a person can make a key: Mint is never called, and the engine waits until somebody
	// supplies one.
	Supplied bool
	// RemovedByHand is true where only a person can revoke a key: Retire is never called. A key that has expired needs
	// nobody.
	RemovedByHand bool
	// Unlisted is true where the provider does not list keys: the engine then keeps a ledger of those it was told of, beside
	// those that Scan knows from the configuration, and a key that is not listed proves nothing.
	Unlisted bool
	// NamesFirstKey is true where the key that comes with a new service user bears a name of the provider's choosing. It is
	// revoked then, unused, and one is made under a name that tells what it belongs to.
	NamesFirstKey bool
}

// Provider is a configured account at an issuing system. All methods are safe for concurrent use, honour ctx, and
// return a [*Fault] on failure. None retries a write; reads and throttled calls may be retried inside.
type Provider interface {
	// Limits never changes while the provider lives and makes no call.
	Limits() Limits
	// Scan streams service users and keys, page by page, and never holds the whole inventory. It returns nil only if
	// everything in scope was seen: a truncated answer is an error.
	Scan(ctx context.Context, scope Scope, v Visitor) error
	// Mint makes exactly one key, in exactly one request. If it cannot tell whether the key was made, the fault's kind
	// is [UnknownOutcome]; any other kind promises that no key was made.
	Mint(ctx context.Context, req MintRequest) (Minted, error)
	// Check proves that secret authenticates as the user, using only the secret. A refusal is a fault of kind
	// [Denied]; a secret that works but belongs to another user is [Conflict]; one that cannot be a key is [Invalid].
	Check(ctx context.Context, userID string, secret Secret) error
	// Retire revokes the key for good, and succeeds if it is already revoked or gone.
	Retire(ctx context.Context, key Key) error
}

// UserIdentifier is a provider that knows the id of a service user before it is made, so that its keys may have a history.
type UserIdentifier interface {
	// UserIDOf returns the id that the service user will have.
	UserIDOf(s UserSpec) string
}

// Preparer is a provider that has something to find out before it can make keys.
type Preparer interface {
	// Prepare is called before the intent to make a key is durable, so that a crash in it raises no doubt about any key. It
	// is quick once it has succeeded.
	Prepare(ctx context.Context) error
}

// Disabler is a provider that can switch a key off so that it can be switched on again: it has a soak.
type Disabler interface {
	// Disable switches the key off; it succeeds if it is off already.
	Disable(ctx context.Context, key Key) error
	// Enable switches it on again; it succeeds if it is on already.
	Enable(ctx context.Context, key Key) error
}

// Preflighter is a provider that can tell beforehand whether its own credential may do what will be asked of it.
type Preflighter interface {
	// Preflight makes only reads. It returns one sentence for each thing that will not work; none if all is well. The
	// error is for when it could not find out.
	Preflight(ctx context.Context) ([]string, error)
}

// Supplied is a key that a person made at a provider.
type Supplied struct {
	Secret Secret
	// KeyID is the provider's id, where the person knows one.
	KeyID string
	// Expires is when the key ends; zero where it never does, or the provider lists it.
	Expires time.Time
}

// Extender is a provider that can move the expiry of a key that has not expired yet.
type Extender interface {
	// Extend moves the expiry to the latest time that the provider can express and that is not after until, and returns it.
	// It succeeds if that is the expiry already. A key that has expired, or would end sooner than now, is [Invalid].
	Extend(ctx context.Context, key Key, until time.Time) (time.Time, error)
}

// SelfAware is a provider that knows whose credential the daemon works with, so that it never revokes what it needs.
type SelfAware interface {
	// Self returns the user that the daemon's own credential belongs to, and that credential. An empty secret means that
	// the daemon signs in by other means (a client certificate).
	Self(ctx context.Context) (userID string, secret Secret, err error)
}

// Timekeeper is a provider that knows what time it is at the other side.
type Timekeeper interface {
	// Skew returns how far the provider's clock is ahead of ours (behind, if negative), as of its latest answer; false if
	// no answer has said. It makes no call.
	Skew() (ahead time.Duration, known bool)
}

// Guide is a provider where a person has to lend a hand and can be told how.
type Guide interface {
	// HowToMake says in sentences how to make a key of that name, valid until about the time given (zero for any), and
	// how to hand it over: rotatord supply PROVIDER/USER/CREDENTIAL.
	HowToMake(userID, userName, keyName string, until time.Time) string
	// HowToRemove says in sentences how to remove the key.
	HowToRemove(userID, userName string, key Key) string
}
