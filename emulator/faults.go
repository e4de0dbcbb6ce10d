package emulator

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"path"
	"slices"
	"strings"
	"sync"
)

// Fault is one order to misbehave: on which calls, and how.
type Fault struct {
	// Name identifies the fault in the admin API; without one it is given "fault-1" and so on.
	Name string `yaml:"name" json:"name"`
	// Match selects calls.
	Match Match `yaml:"match" json:"match"`
	// Nth is the first of the matching calls that is hit, counted from 1. 0 means 1.
	Nth int `yaml:"nth" json:"nth,omitempty"`
	// Count is how many calls are hit in all. 0 means every one.
	Count int `yaml:"count" json:"count,omitempty"`
	// Probability is the chance, from 0 to 1, that a call that could be hit is hit. 0 means always.
	Probability float64 `yaml:"probability" json:"probability,omitempty"`
	// Effect is what happens.
	Effect Effect `yaml:"effect" json:"effect"`
}

// Match selects calls. An empty field matches everything.
type Match struct {
	// Method is an HTTP method.
	Method string `yaml:"method" json:"method,omitempty"`
	// Path is a glob as of path.Match over the path below the API's base: "/key/user/*".
	Path string `yaml:"path" json:"path,omitempty"`
	// Caller is a glob over the name of the key that makes the call: "manager", "ci-r*".
	Caller string `yaml:"caller" json:"caller,omitempty"`
}

// Ordered is a fault and what has become of it.
type Ordered struct {
	Fault
	// Seen counts the calls that matched, Hit those that were disturbed.
	Seen int `json:"seen"`
	Hit  int `json:"hit"`
}

// Faults are the orders of one emulated system. The zero value has none and is ready. All methods are safe for
// concurrent use.
type Faults struct {
	mu     sync.Mutex
	orders []*Ordered
	draw   *rand.Rand
	named  int
}

// Seed makes the draws of every probability start anew from seed, so that a run can be repeated.
func (f *Faults) Seed(seed uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.draw = seeded(seed)
}

// seeded is for replayable chance, not for anything secret.
func seeded(seed uint64) *rand.Rand {
	return rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // replayable by design
}

// Add orders faults. If one of them makes no sense, none is added and every mistake is in the error. Of two faults that
// would hit the same call, the one that was ordered first does.
func (f *Faults) Add(faults ...Fault) error {
	var mistakes []error
	for i, fault := range faults {
		if err := fault.check(); err != nil {
			mistakes = append(mistakes, fmt.Errorf("fault %d %q: %w", i+1, fault.Name, err))
		}
	}
	if len(mistakes) > 0 {
		return errors.Join(mistakes...)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, fault := range faults {
		f.named++
		if fault.Name == "" {
			fault.Name = fmt.Sprintf("fault-%d", f.named)
		}
		f.orders = append(f.orders, &Ordered{Fault: fault})
	}
	return nil
}

// Remove takes back the faults of that name, or all of them if the name is empty, and returns how many there were.
func (f *Faults) Remove(name string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	before := len(f.orders)
	f.orders = slices.DeleteFunc(f.orders, func(o *Ordered) bool { return name == "" || o.Name == name })
	return before - len(f.orders)
}

// List returns every order in the sequence in which they are tried.
func (f *Faults) List() []Ordered {
	f.mu.Lock()
	defer f.mu.Unlock()
	list := make([]Ordered, 0, len(f.orders))
	for _, o := range f.orders {
		list = append(list, *o)
	}
	return list
}

// pick returns the effect that hits a call, if any.
func (f *Faults) pick(method, below, caller string) (Effect, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, o := range f.orders {
		if !o.Match.covers(method, below, caller) {
			continue
		}
		o.Seen++
		if o.Seen < o.Nth || (o.Count > 0 && o.Hit >= o.Count) || !f.chance(o.Probability) {
			continue
		}
		o.Hit++
		return o.Effect, true
	}
	return Effect{}, false
}

func (f *Faults) chance(p float64) bool {
	if p == 0 {
		return true
	}
	if f.draw == nil {
		f.draw = seeded(1)
	}
	return f.draw.Float64() < p
}

func (m Match) covers(method, below, caller string) bool {
	return (m.Method == "" || strings.EqualFold(m.Method, method)) && globs(m.Path, below) && globs(m.Caller, caller)
}

// globs treats an empty pattern as one that matches everything. Patterns were checked when they came in.
func globs(pattern, s string) bool {
	if pattern == "" {
		return true
	}
	ok, err := path.Match(pattern, s)
	return ok && err == nil
}

func (f Fault) check() error {
	var mistakes []error
	for _, pattern := range []string{f.Match.Path, f.Match.Caller, f.Effect.Entry} {
		if _, err := path.Match(pattern, ""); err != nil {
			mistakes = append(mistakes, fmt.Errorf("pattern %q cannot be read: %w", pattern, err))
		}
	}
	if f.Match.Path != "" && !strings.HasPrefix(f.Match.Path, "/") {
		mistakes = append(mistakes, fmt.Errorf("match.path %q must begin with /, as in /key/user/*", f.Match.Path))
	}
	if f.Nth < 0 || f.Count < 0 {
		mistakes = append(mistakes, errors.New("nth and count must not be negative"))
	}
	if f.Probability < 0 || f.Probability > 1 {
		mistakes = append(mistakes, fmt.Errorf("probability %g must lie between 0 and 1", f.Probability))
	}
	return errors.Join(append(mistakes, f.Effect.check())...)
}

// view is what the handlers of lists obey: how a list is to lie. It travels in the request's context because the fault is
// chosen before the handler is.
type view struct {
	empty, repeat     bool
	forget, duplicate string // globs over an entry's names
}

type viewKey struct{}

func withView(r *http.Request, v view) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), viewKey{}, v))
}

func viewOf(r *http.Request) view {
	v, _ := r.Context().Value(viewKey{}).(view)
	return v
}

// times is how often an entry that goes by these names is shown.
func (v view) times(names ...string) int {
	matches := func(pattern string) bool {
		return pattern != "" && slices.ContainsFunc(names, func(n string) bool { return globs(pattern, n) })
	}
	switch {
	case v.empty || matches(v.forget):
		return 0
	case matches(v.duplicate):
		return 2
	default:
		return 1
	}
}
