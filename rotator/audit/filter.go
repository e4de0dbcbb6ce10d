package audit

import (
	"path"
	"time"

	"github.com/rotatord/rotatord/rotator"
)

// Filter selects records. Its patterns are those of [path.Match]; an empty one selects everything, and a malformed one
// nothing.
type Filter struct {
	// Since and Until bound the time: from the one on, and before the other. Zero is no bound.
	Since, Until time.Time
	Provider     string
	// User matches the service user's id or name.
	User       string
	Credential string
	Actor      string
}

// Narrows reports whether the filter may leave records out.
func (f *Filter) Narrows() bool { return *f != Filter{} }

// Selects reports whether the filter lets the record through. A record that cannot be read is never left out.
func (f *Filter) Selects(r *rotator.AuditRecord) bool {
	if !f.Since.IsZero() && r.At.Before(f.Since) || !f.Until.IsZero() && !r.At.Before(f.Until) {
		return false
	}
	if f.Provider+f.User+f.Credential+f.Actor == "" {
		return true
	}
	c, err := Decode(r.Text)
	if err != nil {
		return true
	}
	return matches(f.Provider, c.Provider) && (matches(f.User, c.UserID) || matches(f.User, c.ServiceUser)) &&
		matches(f.Credential, c.Credential) && matches(f.Actor, c.Actor)
}

func matches(pattern, value string) bool {
	if pattern == "" {
		return true
	}
	ok, err := path.Match(pattern, value)
	return ok && err == nil
}
