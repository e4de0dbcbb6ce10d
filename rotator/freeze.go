package rotator

import (
	"context"
	"time"
)

// PlacedFreeze is a freeze of the calendar with who placed it and what it is called.
type PlacedFreeze struct {
	// ID names a freeze that an operator placed; empty for one of the configuration.
	ID string
	Freeze
	// By is who placed it, At is when.
	By string
	At time.Time
}

// Freezes is what is durable about freezes that operators place.
type Freezes interface {
	// PutFreeze places a freeze. Its ID must be new, else it is a fault of kind [Conflict].
	PutFreeze(ctx context.Context, f PlacedFreeze) error
	// LiftFreeze removes one for actor at now, or returns a fault of kind [Gone]. Keys that waited for the end of a freeze are
	// looked at again at once.
	LiftFreeze(ctx context.Context, id, actor string, now time.Time) error
	// PlacedFreezes returns those that end after now, the one that ends first before the others.
	PlacedFreezes(ctx context.Context, now time.Time) ([]PlacedFreeze, error)
}
