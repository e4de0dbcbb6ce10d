package rotator

import "time"

// DrillPlan says what a drill of a credential would do, without doing it.
type DrillPlan struct {
	CredentialID
	// ServiceUser is the user's name for people.
	ServiceUser string
	Policy      string
	// OldKey is replaced, NewKey is the name under which its successor is made.
	OldKey, NewKey KeyRef
	Deadline       time.Time
	// Sinks are where the new key is delivered.
	Sinks []SinkProgress
	Terms Terms
	// Disables is true where the old key is switched off for the soak before it is revoked.
	Disables bool
	// Supplied and RemovedByHand are true where a person has to make the new key and to remove the old one.
	Supplied, RemovedByHand bool
	// WindowOpens is when the policy's window is open next, which the revocation waits for; zero where it is open or there is none.
	WindowOpens time.Time
	// Obstacle says why the drill would be refused now; empty if it would not.
	Obstacle string
}

// ActorSchedule is who asks for what the calendar of the configuration asks for.
const ActorSchedule = "schedule"

// DrillSchedule has credentials drilled by the calendar.
type DrillSchedule struct {
	Name string
	// Match selects the credentials.
	Match Match
	// Window is when drills begin: each of its openings is one occasion.
	Window Window
	// Limit is how many are begun at each provider on an occasion; at least 1.
	Limit int
}

// SelectsProvider reports whether credentials at the provider are drilled.
func (d *DrillSchedule) SelectsProvider(provider string) bool {
	return matches(d.Match.Providers, provider)
}

// Selects reports whether the credential of the user with that base name is drilled.
func (d *DrillSchedule) Selects(provider string, u ServiceUser, base string) bool {
	p := Policy{Match: d.Match}
	return p.SelectsUser(provider, u) && p.SelectsKey(base)
}

// Stuck reports since when the rotation neither goes on by itself nor waits for what has to pass: grace, soak and a window.
func (r *Rotation) Stuck() (since time.Time, stuck bool) {
	switch {
	case r.Stage.Final(), r.Blocked == BlockOutsideWindow:
		return time.Time{}, false
	case r.Blocked != "":
		return r.BlockedSince, true
	case r.Stage == StageGrace, r.Stage == StageSoaking:
		return time.Time{}, false
	default:
		return r.StageAt, true
	}
}

// ByCalendar reports whether the rotation was begun as a drill by the calendar.
func (r *Rotation) ByCalendar() bool {
	return r.Drilled || r.Reason == ReasonDrill && r.Actor == ActorSchedule
}
