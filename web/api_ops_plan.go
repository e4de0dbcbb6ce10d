package web

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/rotatord/rotatord/rotator/forecast"
)

// Plan is what will happen in a span of time.
type Plan struct {
	From       time.Time       `json:"from"`
	Until      time.Time       `json:"until"`
	Totals     map[string]int  `json:"totals" doc:"Actions of the whole span by kind: supply, mint, extend, deliver, grace_end, switch_off, revoke, remove."`
	Hours      []PlannedHour   `json:"hours" nullable:"false" doc:"One entry for each hour and provider in which something happens."`
	Peaks      []PlannedHour   `json:"peaks" nullable:"false" doc:"The hour of each provider in which most rotations begin."`
	Quotas     []Quota         `json:"quotas" nullable:"false" doc:"For each provider that is called under rates, the hour that needs most calls."`
	Collisions []Collision     `json:"collisions" nullable:"false" doc:"What would happen and is stopped or put off, the first of it first."`
	More       int             `json:"more_collisions" doc:"Collisions that are not listed."`
	Actions    []PlannedAction `json:"actions" nullable:"false" doc:"The soonest single actions."`
	Truncated  bool            `json:"truncated" doc:"Whether there are more actions than the limit. The counts hold them all."`
	Freezes    []PlannedFreeze `json:"freezes" nullable:"false" doc:"Freezes that touch the span."`
	Windows    []PlannedWindow `json:"windows" nullable:"false" doc:"When policies' windows are open within the span."`
	Drills     []PlannedDrill  `json:"drills" nullable:"false" doc:"When drills of the calendar begin within the span. The counts and the actions do not hold them: which credentials are drilled is decided at that time."`
}

// PlannedDrill is an opening of the window of a drill of the calendar.
type PlannedDrill struct {
	Drill    string    `json:"drill" doc:"Its name in the configuration."`
	Provider string    `json:"provider"`
	From     time.Time `json:"from"`
	To       time.Time `json:"to"`
	Limit    int       `json:"limit" doc:"How many rotations it begins at most; in a window that is open now, how many more."`
	Frozen   string    `json:"frozen,omitempty" doc:"The reason of the freeze that lasts as long as the window, so that none begins; absent for none."`
}

// PlannedHour is what happens at one provider within one hour.
type PlannedHour struct {
	At       time.Time      `json:"at" doc:"When the hour begins."`
	Provider string         `json:"provider"`
	Begin    int            `json:"begin" doc:"Rotations that begin."`
	Counts   map[string]int `json:"counts" doc:"Actions by kind."`
}

// Quota compares what the fullest hour needs of a provider with what its rates let through.
type Quota struct {
	Provider string    `json:"provider"`
	At       time.Time `json:"at" doc:"When the hour begins that needs most calls."`
	Calls    int       `json:"calls" doc:"How many calls it needs, about, scans not counted."`
	PerHour  int       `json:"calls_per_hour" doc:"How many calls the provider's rates let through in an hour."`
}

// PlannedAction is one thing that will happen to one credential.
type PlannedAction struct {
	At   time.Time `json:"at"`
	Kind string    `json:"kind" enum:"supply,mint,extend,deliver,grace_end,switch_off,revoke,remove"`
	CredentialName
	Key      string `json:"key,omitempty" doc:"The name of the key that it is about; absent for one whose name is not chosen yet."`
	Rotation string `json:"rotation,omitempty" doc:"The open rotation that it belongs to; absent for one that is still to be planned."`
}

// Collision is something that would happen and is stopped or put off.
type Collision struct {
	Provider string          `json:"provider"`
	Obstacle string          `json:"obstacle" doc:"A reason for a block, or paused, rate or concurrent_rotations."`
	From     time.Time       `json:"from" doc:"When the first of them is stopped."`
	Until    time.Time       `json:"until,omitzero" doc:"When they go on; absent for what does not go on by itself."`
	Count    int             `json:"count" doc:"How many actions it stops."`
	Example  *CredentialName `json:"example,omitempty" doc:"One of the credentials."`
	Why      string          `json:"why"`
}

// PlannedFreeze is a freeze that touches the span.
type PlannedFreeze struct {
	From   time.Time `json:"from"`
	To     time.Time `json:"to"`
	Reason string    `json:"reason"`
}

// PlannedWindow is a span in which a policy's window is open.
type PlannedWindow struct {
	Policy string    `json:"policy"`
	From   time.Time `json:"from"`
	To     time.Time `json:"to"`
}

// Forecaster foresees. An engine.Engine is one.
type Forecaster interface {
	// Forecast says what will happen until then, with at most limit single actions. It changes nothing.
	Forecast(ctx context.Context, until time.Time, limit int) (*forecast.Plan, error)
}

// longestPlan bounds the span of a plan: what lies beyond depends on rotations that are themselves still to come.
const longestPlan = 90 * 24 * time.Hour

func (s *Server) planning(api huma.API) {
	huma.Register(api, operation(api, http.MethodGet, "/plan", "plan", "What will happen in the hours or days ahead",
		"A forecast of what the clock decides, hour by hour, with what would collide with a hold, a window, a freeze or a cap. It takes every call to succeed, and old "+
			"keys to be idle when their time comes, and looks one rotation of each credential ahead. Drills of the calendar are told by when their windows open. It changes nothing.", http.StatusOK), s.plan)
}

type planQuery struct {
	For   string `query:"for" default:"72h" example:"168h" doc:"How far to look ahead: units h, m and s, at most 2160h."`
	Limit int    `query:"limit" minimum:"0" maximum:"10000" default:"200" doc:"How many single actions at most."`
}

func (s *Server) plan(ctx context.Context, q *planQuery) (*answer[Plan], error) {
	span, err := time.ParseDuration(q.For)
	if err != nil || span <= 0 || span > longestPlan {
		return nil, problem(http.StatusUnprocessableEntity, "for is %q; write a span such as 72h, at most %s", q.For, longestPlan)
	}
	if s.o.Forecaster == nil {
		return nil, problem(http.StatusNotFound, "this daemon foresees nothing")
	}
	p, err := s.o.Forecaster.Forecast(ctx, time.Now().UTC().Add(span), q.Limit)
	if err != nil {
		return nil, journalProblem(err)
	}
	out := planOf(p)
	return &answer[Plan]{Body: out}, nil
}

func planOf(p *forecast.Plan) Plan {
	out := Plan{From: p.From, Until: p.Until, Totals: countsOf(p.Totals), Hours: hoursOf(p.Hours), Peaks: hoursOf(p.Peaks), More: p.MoreCollisions, Truncated: p.Truncated,
		Quotas: []Quota{}, Collisions: []Collision{}, Actions: []PlannedAction{}, Freezes: []PlannedFreeze{}, Windows: []PlannedWindow{}, Drills: []PlannedDrill{}}
	for _, q := range p.Quotas {
		out.Quotas = append(out.Quotas, Quota(q))
	}
	for _, c := range p.Collisions {
		shown := Collision{Provider: c.Provider, Obstacle: c.Obstacle, From: c.From, Until: c.Until, Count: c.Count, Why: c.Why}
		if c.Example.Provider != "" {
			name := nameOf(c.Example)
			shown.Example = &name
		}
		out.Collisions = append(out.Collisions, shown)
	}
	for _, a := range p.Actions {
		out.Actions = append(out.Actions, PlannedAction{At: a.At, Kind: string(a.Kind), CredentialName: nameOf(a.Credential), Key: a.Key, Rotation: a.Rotation})
	}
	for _, f := range p.Freezes {
		out.Freezes = append(out.Freezes, PlannedFreeze{From: f.From, To: f.To, Reason: f.Reason})
	}
	for _, w := range p.Windows {
		out.Windows = append(out.Windows, PlannedWindow(w))
	}
	for _, d := range p.Drills {
		out.Drills = append(out.Drills, PlannedDrill(d))
	}
	return out
}

func hoursOf(hours []forecast.Hour) []PlannedHour {
	out := make([]PlannedHour, 0, len(hours))
	for _, h := range hours {
		out = append(out, PlannedHour{At: h.At, Provider: h.Provider, Begin: h.Begin(), Counts: countsOf(h.Counts)})
	}
	return out
}

func countsOf(counts map[forecast.Kind]int) map[string]int {
	out := make(map[string]int, len(counts))
	for kind, n := range counts {
		out[string(kind)] = n
	}
	return out
}
