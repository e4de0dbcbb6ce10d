package web

import (
	"fmt"
	"strings"
	"time"

	"github.com/rotatord/rotatord/rotator"
)

// timeline is a picture of keys over time. Positions along the time are in hundredths of the width, so that the texts keep
// their size on a phone; heights are in pixels.
type timeline struct {
	Words                       string
	Height, Inner, Bottom, NowY int
	Bands                       []tlBand
	Lanes                       []tlLane
	Marks                       []tlMark
	// Overlap is when both keys work; nil where there is none. Gone is by when the old key must be gone.
	Overlap *tlLane
	Gone    *tlTick
	Ticks   []tlTick
	Now     *tlTick
	Legend  []tlBand

	from, to time.Time
}

type tlBand struct {
	X, W         float64
	Class, Label string
}

type tlLane struct {
	X, W         float64
	Y, TextY     int
	Class, Label string
}

type tlMark struct {
	X     float64
	Y     int
	Label string
}

type tlTick struct {
	X             float64
	Anchor, Label string
}

// The picture's measures.
const (
	lanesTop   = 30
	laneHeight = 44
	lanesMost  = 4
)

// timelineOf draws the newest keys, and the latest rotation upon them; nil without a key.
func timelineOf(series []rotator.TrackedKey, rotations []rotator.Rotation, now time.Time) *timeline {
	keys := series[:min(lanesMost, len(series))]
	if len(keys) == 0 {
		return nil
	}
	var r *rotator.Rotation
	if len(rotations) > 0 {
		r = &rotations[0]
	}
	t := &timeline{}
	t.span(keys, r, now)
	for i := len(keys) - 1; i >= 0; i-- { // the oldest on top, as time runs
		t.lane(keys[i], i == 0, now)
	}
	bottom := lanesTop + laneHeight*len(keys)
	t.Bottom, t.Inner, t.NowY, t.Height = bottom, bottom-24, bottom+14, bottom+20
	t.rotation(r)
	t.overlap(keys, r)
	t.axis(now)
	t.Legend = t.legend(len(keys), r)
	t.Words = strings.TrimSpace(t.Words)
	return t
}

// span chooses the time that the picture shows: the latest rotation and what comes of it, or the life of the keys.
func (t *timeline) span(keys []rotator.TrackedKey, r *rotator.Rotation, now time.Time) {
	t.from, t.to = now, now
	include := func(at time.Time) {
		if at.IsZero() {
			return
		}
		if at.Before(t.from) {
			t.from = at
		}
		if at.After(t.to) {
			t.to = at
		}
	}
	if r != nil {
		include(r.PlannedAt)
		include(r.GraceUntil)
		include(r.SoakUntil)
		include(r.Deadline)
	} else {
		include(keys[0].Created)
		include(keys[0].Due)
		include(keys[0].Deadline)
	}
	margin := max(t.to.Sub(t.from)/12, time.Minute)
	t.from, t.to = t.from.Add(-margin), t.to.Add(margin)
}

// x is where a time lies, in hundredths of the width; times beyond the edges lie on them.
func (t *timeline) x(at time.Time) float64 {
	share := 100 * float64(at.Sub(t.from)) / float64(t.to.Sub(t.from))
	return float64(int(100*min(max(share, 0), 100))) / 100
}

func (t *timeline) lane(k rotator.TrackedKey, newest bool, now time.Time) {
	begin, end := t.from, t.to
	if !k.Created.IsZero() {
		begin = k.Created
	}
	ends := "does not expire"
	if !k.Expires.IsZero() {
		end, ends = k.Expires, "expires "+k.Expires.UTC().Format(shown)
	}
	if k.State != rotator.KeyActive || !k.MissingSince.IsZero() {
		gone := now
		if !k.MissingSince.IsZero() {
			gone = k.MissingSince
		}
		if end.After(gone) {
			end = gone
		}
		ends = "is " + string(k.State) + " or not listed any more"
	}
	class, y := "old", lanesTop+laneHeight*len(t.Lanes)
	role := ", old key, "
	if newest {
		class, role = "new", ", new key, "
	}
	if newest && len(t.Lanes) == 0 {
		role = ", "
	}
	name := k.Name
	if name == "" {
		name = "id " + k.ID
	}
	x := t.x(begin)
	t.Lanes = append(t.Lanes, tlLane{X: x, W: max(t.x(end)-x, 0.4), Y: y + 18, TextY: y + 12, Class: class, Label: name + role + string(k.State)})
	t.Words += fmt.Sprintf(" Key %s, created %s, %s.", name, k.Created.UTC().Format(shown), ends)
}

// rotation draws grace, soak and what the sinks confirmed.
func (t *timeline) rotation(r *rotator.Rotation) {
	if r == nil {
		return
	}
	band := func(class, label string, until time.Time, length time.Duration) {
		if until.IsZero() || length <= 0 {
			return
		}
		x := t.x(until.Add(-length))
		t.Bands = append(t.Bands, tlBand{X: x, W: max(t.x(until)-x, 0.2), Class: class, Label: label})
		t.Words += fmt.Sprintf(" %s until %s.", label, until.UTC().Format(shown))
	}
	band("grace", "Grace: consumers move to the new key", r.GraceUntil, r.Terms.Grace)
	band("soak", "Soak: the old key is off and can be brought back", r.SoakUntil, r.Terms.Soak)
	for _, s := range r.Sinks {
		if s.Confirmed() {
			label := s.Sink + " confirmed " + s.ConfirmedAt.UTC().Format(shown)
			t.Marks = append(t.Marks, tlMark{X: t.x(s.ConfirmedAt), Y: t.Lanes[len(t.Lanes)-1].Y + 7, Label: label})
			t.Words += " " + label + "."
		}
	}
}

// overlap marks when the rotation's new key works beside its old one: from when it was made until the old one is switched off,
// revoked, or must be gone.
func (t *timeline) overlap(keys []rotator.TrackedKey, r *rotator.Rotation) {
	if r == nil {
		return
	}
	if !r.Deadline.IsZero() && !r.Stage.Final() {
		t.Gone = &tlTick{X: t.x(r.Deadline)}
	}
	begin, end := time.Time{}, r.Deadline
	for i := range keys {
		switch k := &keys[i]; {
		case r.NewKey.ID != "" && k.ID == r.NewKey.ID:
			begin = k.Created
		case k.ID == r.OldKey.ID && (k.State != rotator.KeyActive || r.Stage.Final()):
			end = switchedOff(r)
		}
	}
	if begin.IsZero() || !end.After(begin) {
		return
	}
	x := t.x(begin)
	t.Overlap = &tlLane{X: x, W: max(t.x(end)-x, 0.4), Y: t.Bottom - 4, Label: "Overlap: the old and the new key both work, " + span(end.Sub(begin))}
	t.Words += fmt.Sprintf(" %s, from %s to %s.", t.Overlap.Label, begin.UTC().Format(shown), end.UTC().Format(shown))
}

// switchedOff is when the old key stopped to work, as far as the rotation knows.
func switchedOff(r *rotator.Rotation) time.Time {
	if !r.SoakUntil.IsZero() {
		return r.SoakUntil.Add(-r.Terms.Soak)
	}
	return r.StageAt
}

func (t *timeline) axis(now time.Time) {
	layout := "2 Jan 15:04"
	switch span := t.to.Sub(t.from); {
	case span < 2*time.Hour:
		layout = "15:04:05"
	case span > 60*24*time.Hour:
		layout = "2 Jan 2006"
	}
	for i, anchor := range []string{"start", "middle", "end"} {
		at := t.from.Add(t.to.Sub(t.from) * time.Duration(i) / 2)
		t.Ticks = append(t.Ticks, tlTick{X: float64(50 * i), Anchor: anchor, Label: at.UTC().Format(layout)})
	}
	t.Now = &tlTick{X: t.x(now), Anchor: "middle"}
}

func (t *timeline) legend(keys int, r *rotator.Rotation) []tlBand {
	out := []tlBand{{Class: "new", Label: "new key"}}
	if keys > 1 {
		out = append(out, tlBand{Class: "old", Label: "old key"})
	}
	out = append(out, t.Bands...)
	if t.Overlap != nil {
		out = append(out, tlBand{Class: "overlap", Label: t.Overlap.Label})
	}
	if len(t.Marks) > 0 {
		out = append(out, tlBand{Class: "confirmed", Label: "a sink was read back and holds the new key"})
	}
	if t.Gone != nil {
		out = append(out, tlBand{Class: "gone", Label: "old key must be gone by " + r.Deadline.UTC().Format(shown)})
	}
	return out
}
