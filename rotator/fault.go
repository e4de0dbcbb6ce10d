package rotator

import (
	"errors"
	"fmt"
	"time"
)

// Kind says what a [Fault] means for what comes next. The list is closed: it is the label of metrics, it chooses
// between retry and block, the words on the page and the HTTP status of the API.
type Kind string

// The kinds of fault.
const (
	// Transient: it may work when tried again. Network trouble before anything was sent, 5xx on a read.
	Transient Kind = "transient"
	// Throttled: the other side asks for patience. Nothing was done. RetryAfter says how long, when it is known.
	Throttled Kind = "throttled"
	// Denied: the credential that made the call is refused. Trying again without a change is pointless.
	Denied Kind = "denied"
	// Conflict: something is there that is not ours, or not what we last wrote; a name that is taken.
	Conflict Kind = "conflict"
	// Gone: what the call was about does not exist (any more).
	Gone Kind = "gone"
	// Invalid: the other side understood and refuses, or answered something that makes no sense.
	Invalid Kind = "invalid"
	// UnknownOutcome: a write was sent and its answer was lost. It may or may not have happened (guarantee G5).
	UnknownOutcome Kind = "unknown_outcome"
)

// Kinds lists every kind, in the order of the documentation.
func Kinds() []Kind {
	return []Kind{Transient, Throttled, Denied, Conflict, Gone, Invalid, UnknownOutcome}
}

// Fault is the one error type that crosses the borders of providers, sinks and journals.
type Fault struct {
	// Op is what was tried, in the words of the system called: "GET /user", "kv put secret/ci".
	Op string
	// Kind decides what happens next.
	Kind Kind
	// RetryAfter is how long the other side asked to wait; zero when it did not say.
	RetryAfter time.Duration
	// Err says why, in words for a person. It never holds a secret.
	Err error
}

// NewFault returns a fault of kind k from the operation op, with a message made as by fmt.Errorf (%w wraps).
func NewFault(op string, k Kind, format string, args ...any) *Fault {
	return &Fault{Op: op, Kind: k, Err: fmt.Errorf(format, args...)}
}

// Error reads "op: why (kind)".
func (f *Fault) Error() string {
	if f.Err == nil {
		return fmt.Sprintf("%s: %s", f.Op, f.Kind)
	}
	return fmt.Sprintf("%s: %v (%s)", f.Op, f.Err, f.Kind)
}

// Unwrap gives errors.Is and errors.As what is below.
func (f *Fault) Unwrap() error { return f.Err }

// KindOf returns the kind of the first fault in err's chain. An error that nobody classified is transient: it is retried
// with backoff and seen. A write whose error nobody classified must be treated with [WriteKindOf] instead.
func KindOf(err error) Kind {
	if f, ok := errors.AsType[*Fault](err); ok {
		return f.Kind
	}
	return Transient
}

// WriteKindOf is KindOf for a call that is not repeatable: what nobody classified, and what is merely transient,
// has an unknown outcome.
func WriteKindOf(err error) Kind {
	if k := KindOf(err); k != Transient {
		return k
	}
	return UnknownOutcome
}

// RetryAfterOf returns how long the other side asked to wait, or zero.
func RetryAfterOf(err error) time.Duration {
	if f, ok := errors.AsType[*Fault](err); ok {
		return f.RetryAfter
	}
	return 0
}
