package digicertone

import (
	"context"
	"time"

	"github.com/rotatord/rotatord/rotator"
)

// Extend implements [rotator.Extender]: it moves the end date to the latest day whose end is not after until. That works
// before the key has expired only (the vendor's page on editing tokens), and a date is never brought forward.
func (p *Provider) Extend(ctx context.Context, key rotator.Key, until time.Time) (time.Time, error) {
	op := "extend " + p.noun()
	end := lastEnd(until)
	if !end.After(p.options.Clock.Now()) {
		return time.Time{}, rotator.NewFault(op, rotator.Invalid, "the last day that ends by %s UTC is over", until.UTC().Format(time.DateTime))
	}
	k, o, err := p.getKey(ctx, key.ID)
	if err != nil {
		return time.Time{}, err
	}
	if why := notExtendable(k, end, p.options.Clock.Now()); why != "" {
		return time.Time{}, rotator.NewFault(op, rotator.Invalid, "%s (%s) %s", k.Name, k.ID, why)
	}
	if k.Expires.Equal(end) {
		return end, nil
	}
	change, where := setting{p.options.Fields.TokenEndDate, endDate(end)}, path{"", tokens + "/{id}"}
	if p.options.Mode == RecreateMode {
		change.path, where = p.options.Fields.UserEndDate, p.options.Paths.updateUser()
	}
	if err := p.update(ctx, "extend_"+p.noun(), where, k.ID, o, change); err != nil {
		return time.Time{}, err
	}
	return end, nil
}

// notExtendable says why the end of a key cannot be moved there; "" if it can.
func notExtendable(k rotator.Key, end, now time.Time) string {
	switch {
	case expired(k, now):
		return "has expired, and what has expired cannot be extended; a new key is needed"
	case k.State != rotator.KeyActive:
		return "is not active, so it is not extended"
	case k.Expires.IsZero():
		return "has no end date that could be moved"
	case k.Expires.After(end):
		return "ends on " + endDate(k.Expires) + " already, and an end date is never brought forward"
	default:
		return ""
	}
}
