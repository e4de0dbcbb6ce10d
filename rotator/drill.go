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
