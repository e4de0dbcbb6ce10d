package emulator

import (
	"net/http"
	"slices"
	"strings"
	"time"
)

// maxRefusals bounds how many refusals a usage keeps one by one; the counters go on.
const maxRefusals = 100

// Usage is what became of the calls that were made with one key.
type Usage struct {
	// OK counts calls that were let in, Refused those that were not because the key was not valid (yet, or any more),
	// Throttled those over the rates, Disturbed those that a fault was ordered for (they may be counted above as well).
	OK        int `json:"ok"`
	Refused   int `json:"refused"`
	Throttled int `json:"throttled"`
	Disturbed int `json:"disturbed"`
	// LastOK is when the key was last let in.
	LastOK time.Time `json:"last_ok,omitzero"`
	// Refusals are the first hundred refusals.
	Refusals []Refusal `json:"refusals,omitempty"`
}

// Refusal is one call that was not let in.
type Refusal struct {
	At     time.Time `json:"at"`
	Method string    `json:"method"`
	Path   string    `json:"path"`
}

func (u *Usage) accept(now time.Time) {
	u.OK++
	u.LastOK = now
}

func (u *Usage) refuse(now time.Time, r *http.Request) {
	u.Refused++
	if len(u.Refusals) < maxRefusals {
		u.Refusals = append(u.Refusals, Refusal{At: now, Method: r.Method, Path: strings.Clone(r.URL.Path)}) // and not the whole address for as long
	}
}

func (u *Usage) snapshot() Usage {
	c := *u
	c.Refusals = slices.Clone(u.Refusals)
	return c
}
