package hooks

import "github.com/rotatord/rotatord/rotator"

// Event is what a consumer is told in a call, as JSON. It holds no secret: whoever wants the key reads it from its place.
type Event struct {
	// ID is the call's.
	ID   string `json:"id"`
	Hook string `json:"hook"`
	// Keys are the new keys, in the order of time; each has an id of its own that never changes.
	Keys []rotator.HookRun `json:"keys"`
}

// Event returns what the call tells.
func (c Call) Event() Event { return Event{ID: c.ID, Hook: c.Hook, Keys: c.Runs} }
