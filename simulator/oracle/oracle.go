// Package oracle states the guarantees G1 to G9 in words of its own and holds a simulated world against them.
//
// It sees what an onlooker sees: which keys the issuing systems accept, what stands in the sinks, which calls were sent and
// answered, what the journal was given, what was logged, and what became of consumers. It shares no code with the daemon, not
// even its types: a mistake in the daemon's decisions must not excuse itself here. A test holds its imports.
package oracle

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// Truth is the world as it is, whatever anybody believes of it.
type Truth interface {
	// Works reports whether the issuing system accepts the key, or will once it has propagated.
	Works(key string) bool
	// Holds returns the key that a consumer would read at a place; empty for none. spoiled is true while somebody other
	// than the daemon has changed the place since the daemon wrote it last.
	Holds(p Place) (key string, spoiled bool)
}

// Place is where a credential is delivered.
type Place struct{ Sink, Location string }

// Key is a key as the issuing system has it. Keys are named by account and id.
type Key struct {
	ID, Credential, User, Name string
	// Made is when the key was made; Daemon is true if the daemon did.
	Made   time.Time
	Daemon bool
	// Born is true for one that came with its service user, which the daemon made.
	Born bool
	// Late is true for one that was made by a call which a daemon sent after it had stood still and had lost the account.
	Late bool
}

// Row is one line of the journal, as it was acknowledged.
type Row struct {
	Rotation, Credential, Policy, Stage, Reason, Actor string
	NewName, NewKey, OldKey                            string
	Discarded                                          []string
	Sealed                                             bool
	Places                                             []Confirmed
	Grace, Idle                                        time.Duration
	// Planned is when the rotation was begun.
	Planned time.Time
	// By is the replica that wrote it.
	By string
}

// Confirmed is a place of a rotation, and whether it was read back.
type Confirmed struct {
	Place
	Read bool
}

// Account is what is known of an account at an issuing system.
type Account struct {
	// MaxKeys caps the keys of one credential; 0 is no cap.
	MaxKeys int
	// ReportsUse is true where the last use of a key can be asked for; UseLag is by how much that may be behind.
	ReportsUse bool
	UseLag     time.Duration
	// ListLag is how long a new key may be missing from lists.
	ListLag time.Duration
	// Cap is how many rotations may be planned between two scans without asking.
	Cap int
	// Drill is what the calendar says of drills there; nil for none.
	Drill *Drill
}

// Breach is a guarantee that was broken.
type Breach struct {
	// Guarantee is G1 to G9.
	Guarantee string
	At        time.Time
	// Credential is empty where the breach is not about one.
	Credential string
	What       string
	// Also are further guarantees that broke before the world was stopped.
	Also []string
}

// Breaks reports whether the guarantee is among those that broke.
func (b *Breach) Breaks(guarantee string) bool {
	return b.Guarantee == guarantee || slices.Contains(b.Also, guarantee)
}

// String reads "G1 (credential): what; also G3".
func (b Breach) String() string {
	s := b.Guarantee
	if b.Credential != "" {
		s += " (" + b.Credential + ")"
	}
	s += ": " + b.What
	if len(b.Also) > 0 {
		s += "; also " + strings.Join(b.Also, ", ")
	}
	return s
}

// Oracle watches one world. All methods are safe for concurrent use and take the daemon's time, which the daemon's promises are
// counted in.
type Oracle struct {
	truth    Truth
	accounts map[string]Account

	mu        sync.Mutex
	creds     map[string]*credential
	keys      map[string]*key
	holds     map[string]hold
	calendar  calendar
	asked     map[string]*question // by user and name
	births    map[string]*birth    // by account and label
	secrets   secrets
	plans     map[string]int       // by account: begun since the last scan began
	approved  map[string]approval  // by account
	terms     map[string]*term     // by account, where replicas take turns
	blinded   map[string]time.Time // by account: when a list left keys out
	occasions map[string]occasion  // by account: of drills
	required  map[string][]string  // hooks, by policy
	stood     time.Time            // until when a daemon stood still
	set       time.Time            // when the daemon's clock was set last, by how it is since
	skewed    bool
	apart     bool
	breach    *Breach
}

type credential struct {
	keys      []*key
	rotations map[string]bool // those that were written
	open      *Row
	// confirmed says since when each place of the open rotation has been confirmed.
	confirmed map[Place]time.Time
	// promised are the places that were confirmed once: from then on a key that works must stand there.
	promised map[Place]bool
}

type key struct {
	Key
	sealed   bool // the journal has, or had, its secret
	gone     bool // switched off or revoked
	byPerson bool // and not by the daemon
	hastened bool // or for a compromised key, whose consumers get no grace
	lastUse  time.Time
	places   map[Place]bool  // where it was written
	told     map[string]bool // hooks that told of it
}

// New returns an oracle for a world with these accounts.
func New(truth Truth, accounts map[string]Account) *Oracle {
	return &Oracle{truth: truth, accounts: accounts, creds: map[string]*credential{}, keys: map[string]*key{}, holds: map[string]hold{},
		asked: map[string]*question{}, secrets: newSecrets(), plans: map[string]int{}, approved: map[string]approval{}, births: map[string]*birth{}, occasions: map[string]occasion{}, required: map[string][]string{}, terms: map[string]*term{}, blinded: map[string]time.Time{}, calendar: newCalendar()}
}

// Breach returns the first guarantee that was broken, or nil.
func (o *Oracle) Breach() *Breach {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.breach
}

// broken keeps the first breach, and of others the guarantee alone: what follows may follow from it.
func (o *Oracle) broken(guarantee string, now time.Time, credential, format string, args ...any) {
	if o.breach == nil {
		o.breach = &Breach{Guarantee: guarantee, At: now, Credential: credential, What: fmt.Sprintf(format, args...)}
	} else if !o.breach.Breaks(guarantee) {
		o.breach.Also = append(o.breach.Also, guarantee)
	}
}

func (o *Oracle) credential(id string) *credential {
	c, ok := o.creds[id]
	if !ok {
		c = &credential{rotations: map[string]bool{}, promised: map[Place]bool{}}
		o.creds[id] = c
	}
	return c
}

func (o *Oracle) known(id string) *key { return o.keys[id] }

func (c *credential) named(name string) *key {
	for _, k := range c.keys {
		if k.Name == name {
			return k
		}
	}
	return nil
}

// working counts keys that the issuing system accepts, apart from one.
func (o *Oracle) working(c *credential, except *key) int {
	n := 0
	for _, k := range c.keys {
		if k != except && !k.gone && o.truth.Works(k.ID) {
			n++
		}
	}
	return n
}

// accountOf is the account that a credential or user belongs to: the part before the first slash.
func (o *Oracle) accountOf(id string) Account { return o.accounts[accountName(id)] }
