package oracle

import "time"

// Skewed says whether the daemon's clock is wrong: then it cannot know for how long a key was idle.
func (o *Oracle) Skewed(wrong bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.skewed = wrong
}

// ClockSet tells that the daemon's clock was set; now is what it shows since. What the oracle has seen is as long ago as
// before. What was promised until a time (a hold, a freeze) is promised by the clock as it is.
func (o *Oracle) ClockSet(by time.Duration, now time.Time) {
	if by == 0 {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.set, o.stood = now, now
	shift := func(t *time.Time) {
		if !t.IsZero() {
			*t = t.Add(by)
		}
	}
	for _, k := range o.keys {
		shift(&k.Made)
		shift(&k.lastUse)
	}
	for _, c := range o.creds {
		for p, at := range c.confirmed {
			c.confirmed[p] = at.Add(by)
		}
	}
	for _, b := range o.births {
		shift(&b.first)
	}
	for account, at := range o.blinded {
		o.blinded[account] = at.Add(by)
	}
	for c, h := range o.holds {
		o.holds[c] = hold{h.at.Add(by), h.until}
	}
	shift(&o.calendar.since)
}

// ClocksApart tells that the clock of one replica was set. What the oracle is told of happens by the other one's.
func (o *Oracle) ClocksApart() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.apart = true
}

// underWay is how long what the daemon decided by its clock may take to become a call.
const underWay = 10 * time.Minute

// justSet reports whether what is done now may have been decided before the clock was set.
func (o *Oracle) justSet(now time.Time) bool {
	return !o.set.IsZero() && now.Sub(o.set).Abs() < underWay
}

// clocksDiffer is by how much what a clock told before and after it was set may be off without anybody having to care: the daemon takes
// its clock for right while it is within five minutes of the provider's, on either side.
const clocksDiffer = 10 * time.Minute

// forbids says why the calendar forbids what was done at that time, by whichever of the clocks that may be right.
func (o *Oracle) forbids(policy string, at time.Time) (why string) {
	why = o.calendar.forbids(policy, at)
	if why == "" || !o.apart {
		return why
	}
	for _, off := range []time.Duration{-clocksDiffer, clocksDiffer} {
		if o.calendar.forbids(policy, at.Add(off)) == "" {
			return ""
		}
	}
	return why
}

// heldUntil is the end of a hold by any of the clocks that may be right.
func (o *Oracle) heldUntil(h hold) time.Time {
	if o.apart {
		return h.until.Add(-clocksDiffer)
	}
	return h.until
}

// tolerance is by how much spans that the daemon measures may be off.
func (o *Oracle) tolerance() time.Duration {
	if o.set.IsZero() && !o.apart {
		return time.Minute
	}
	return clocksDiffer
}
