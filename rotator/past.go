package rotator

import "time"

// RotationQuery selects rotations of now and of the past. The zero value of a field selects all.
type RotationQuery struct {
	// Provider, User (id, name or e-mail) and Base are glob patterns.
	Provider, User, Base string
	// Policy is a name.
	Policy string
	Reason Reason
	// State is "open" or "ended".
	State string
	// Since and Until bound when the rotation reached the stage that it is in: [Since, Until).
	Since, Until time.Time
	// After is where to go on.
	After RotationCursor
	// Limit is how many at most; at least 1.
	Limit int
}

// RotationCursor is a place in the list of rotations. The zero cursor is the beginning.
type RotationCursor struct {
	// Ended is true once the open ones, which come first, are over.
	Ended bool
	At    time.Time
	ID    string
}

// RotationPage is a part of the list.
type RotationPage struct {
	Rotations []Rotation
	// Next is where the list goes on; nil at its end.
	Next *RotationCursor
}

// CursorAt returns the place behind r.
func CursorAt(r *Rotation) RotationCursor {
	return RotationCursor{Ended: r.Stage.Final(), At: r.StageAt, ID: r.ID}
}
