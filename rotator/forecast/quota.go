package forecast

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// Rate is the obstacle of an hour in which more is to be done than the provider's rates let through.
const Rate Obstacle = "rate"

// Quota compares what the fullest hour needs of a provider with what its rates let through.
type Quota struct {
	Provider string
	// At is when the hour begins that needs most calls, Calls how many it needs, about; scans are not among them.
	At    time.Time
	Calls int
	// PerHour is how many calls the rates let through in an hour.
	PerHour int
}

// callsOf is how many calls an action makes, when nothing goes wrong: a new key is looked for by its name and made; before and
// after the end of an old one the user's keys are listed. The benchmark of rotations under rates counts five of each rotation.
func callsOf(k Kind) int {
	switch k {
	case Mint, SwitchOff:
		return 2
	case Revoke:
		return 3
	case Extend:
		return 1
	default:
		return 0 // what people and sinks do
	}
}

func (h Hour) calls() int {
	n := 0
	for kind, count := range h.Counts {
		n += count * callsOf(kind)
	}
	return n
}

// judgeRates finds the fullest hour of each provider that is called under rates, and the hours that do not fit into them.
func (f *Forecast) judgeRates(hours []Hour) []Quota {
	fullest := map[string]Quota{}
	for _, h := range hours {
		n, most := h.calls(), f.facts.Accounts[h.Provider].CallsPerHour
		if most == 0 {
			continue
		}
		if q, known := fullest[h.Provider]; !known || n > q.Calls {
			fullest[h.Provider] = Quota{Provider: h.Provider, At: h.At, Calls: n, PerHour: most}
		}
		if n > most {
			f.collide(Collision{Provider: h.Provider, Obstacle: Rate, From: h.At, Until: h.At.Add(time.Duration(n) * time.Hour / time.Duration(most)), Count: h.Begin(),
				Why: fmt.Sprintf("the hour from %s needs about %d calls, and the rates let %d through: it takes longer", h.At.Format("2006-01-02 15:04 MST"), n, most)})
		}
	}
	var found []Quota
	for _, q := range fullest {
		found = append(found, q)
	}
	slices.SortFunc(found, func(a, b Quota) int { return cmp.Compare(a.Provider, b.Provider) })
	return found
}
