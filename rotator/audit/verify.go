package audit

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/rotatord/rotatord/rotator"
)

// Finding is something that is wrong with a chain.
type Finding struct {
	// Seq is the record that it is about, At the time that the record, or the last one before it, tells.
	Seq int64     `json:"seq"`
	At  time.Time `json:"at,omitzero"`
	// What says it in words.
	What string `json:"what"`
}

// String reads "record 7 (time): what".
func (f Finding) String() string {
	if f.At.IsZero() {
		return fmt.Sprintf("record %d: %s", f.Seq, f.What)
	}
	return fmt.Sprintf("record %d (%s): %s", f.Seq, f.At.Format(timeFormat), f.What)
}

// Result is what a verification found.
type Result struct {
	// Records were read. First and Head are the first and the last of the chain, Since and Until their times.
	Records int64             `json:"records"`
	First   int64             `json:"first"`
	Head    rotator.AuditHead `json:"head"`
	Since   time.Time         `json:"since,omitzero"`
	Until   time.Time         `json:"until,omitzero"`
	// Removed is how many records retention has removed from the beginning, as the checkpoint says.
	Removed int64 `json:"removed"`
	// Filtered is true for an export that leaves records out: it cannot show that none is missing.
	Filtered bool `json:"filtered"`
	// Findings are what is wrong, up to a bound; Wrong counts them all.
	Findings []Finding `json:"findings"`
	Wrong    int       `json:"wrong"`
}

// maxFindings bounds what is held of a chain of which little is right.
const maxFindings = 100

// Verifier checks a chain, record by record, in the order in which they stand. Its memory does not grow with the chain. The
// zero Verifier is not usable; make one with [NewVerifier].
type Verifier struct {
	result  Result
	anchors map[int64]rotator.AuditHash

	last link // the record with the highest number so far
	// suspect is the record whose hash the one after it did not name, until the next one shows which of the two is wrong.
	suspect *suspicion
	// unreadable counts lines since last that could not be told a number.
	unreadable int64
	gaps       []gap
	moreGaps   int                            // than are held
	removed    map[int64]rotator.AuditRemoved // by Through, of checkpoints that are whole
}

// link is what the next record is held against.
type link struct {
	seq  int64
	at   time.Time
	what string
	// hash is what stands beside the record, sum what its text really sums up to. They differ in a changed record, of which it
	// is not known which of the two was changed.
	hash, sum rotator.AuditHash
}

type suspicion struct {
	before, after link
}

// gap is a span of numbers that no record had.
type gap struct {
	from, to int64
	at       time.Time         // of the record before it
	prev     rotator.AuditHash // what the record behind it names
	// blind is how many of the last of them stood there and could not be read.
	blind int64
}

// NewVerifier makes a verifier that also holds the chain against anchors: heads of it that were kept elsewhere.
func NewVerifier(anchors ...rotator.AuditHead) *Verifier {
	v := &Verifier{anchors: map[int64]rotator.AuditHash{}, removed: map[int64]rotator.AuditRemoved{}}
	v.result.Findings = []Finding{}
	for _, a := range anchors {
		v.anchors[a.Seq] = a.Hash
	}
	return v
}

func (v *Verifier) find(seq int64, at time.Time, format string, args ...any) {
	v.result.Wrong++
	if len(v.result.Findings) < maxFindings {
		v.result.Findings = append(v.result.Findings, Finding{Seq: seq, At: at, What: fmt.Sprintf(format, args...)})
	}
}

// Unreadable notes that something stands where the next record should, and why it is none.
func (v *Verifier) Unreadable(why error) { v.unreadableAt(0, why) }

// unreadableAt is Unreadable for something that is filed under a number, unless that is 0.
func (v *Verifier) unreadableAt(place int64, why error) {
	v.unreadable++
	v.result.Records++
	v.find(cmp.Or(place, v.last.seq+v.unreadable), v.last.at, "what stands behind record %d cannot be read, so it was changed: %v", v.last.seq, why)
}

// Add takes the next record: its Text and its Hash, and, where they are not zero, Seq and At, which the text must agree
// with.
func (v *Verifier) Add(r *rotator.AuditRecord) {
	c, err := Decode(r.Text)
	if err != nil {
		v.unreadableAt(r.Seq, err)
		return
	}
	v.result.Records++
	now := link{seq: c.Seq, at: c.Time(), what: c.String(), hash: r.Hash, sum: sha256.Sum256(r.Text)}
	whole := now.hash == now.sum
	if whole {
		whole = v.filedRight(r, &now)
	} else if !v.changed(r.Seq, &now) {
		return
	}
	if !v.inPlace(&now, c.Prev) {
		return
	}
	v.anchored(&now)
	if whole && c.Removed != nil && c.Removed.Through < c.Seq {
		v.removed[c.Removed.Through] = *c.Removed
	}
	v.unreadable = 0
	v.last = now
}

// changed names a record whose text does not sum up to its hash. Its own number may be what was changed, so it is told by
// its place. It reports false where it has none that can be told: at the beginning of an export.
func (v *Verifier) changed(place int64, now *link) bool {
	const why = "%s: it was changed, its text does not sum up to its hash"
	if place == 0 && v.last.seq == 0 {
		v.unreadable++
		v.find(now.seq, now.at, why, now.what)
		return false
	}
	if place == 0 {
		place = v.last.seq + v.unreadable + 1
	}
	if now.seq == place {
		v.find(now.seq, now.at, why, now.what)
		return true
	}
	v.find(place, now.at, why+" (its text says that it is record %d)", now.what, now.seq)
	now.seq = place
	return true
}

// filedRight reports whether a record stands in the journal under its own number and time.
func (v *Verifier) filedRight(r *rotator.AuditRecord, now *link) bool {
	if r.Seq != 0 && r.Seq != now.seq {
		v.find(r.Seq, now.at, "in its place stands record %d (%s): it was exchanged, moved or renumbered", now.seq, now.what)
		return false
	}
	if !r.At.IsZero() && !r.At.Equal(now.at) {
		v.find(now.seq, now.at, "%s: it is filed under another time, %s", now.what, r.At.UTC().Format(timeFormat))
		return false
	}
	return true
}

// inPlace checks a record's number and its link to the one before. It reports false for a record that stands out of the
// order, which nothing that follows is held against.
func (v *Verifier) inPlace(now *link, prev rotator.AuditHash) bool {
	expected := v.last.seq + 1
	switch {
	case now.seq < expected:
		v.misplaced(now)
		return false
	case v.last.seq == 0 || now.seq-expected > v.unreadable:
		v.settle(nil)
		v.skip(now, prev)
	case now.seq == expected:
		v.linked(now, prev)
	default:
		v.settle(nil) // it follows what cannot be read, and so cannot be held against it
	}
	return true
}

// skip notes the numbers that are missing before a record; a checkpoint may account for them.
func (v *Verifier) skip(now *link, prev rotator.AuditHash) {
	if v.last.seq == 0 {
		v.result.First, v.result.Since = now.seq, now.at
		if now.seq == 1 && prev == (rotator.AuditHash{}) {
			return
		}
	}
	if len(v.gaps) == maxFindings {
		v.moreGaps++
		return
	}
	v.gaps = append(v.gaps, gap{from: v.last.seq + 1, to: now.seq - 1, at: v.last.at, prev: prev, blind: v.unreadable})
}

// misplaced names a record that comes late, or that was there already.
func (v *Verifier) misplaced(now *link) {
	for i, g := range v.gaps {
		if now.seq < g.from || now.seq > g.to {
			continue
		}
		v.find(now.seq, now.at, "%s: it stands behind record %d, so the order was changed", now.what, v.last.seq)
		v.gaps = append(v.gaps[:i], append(g.without(now.seq), v.gaps[i+1:]...)...)
		return
	}
	v.find(now.seq, now.at, "%s: there is a record of this number before it, so one of the two was inserted", now.what)
}

// without returns what is left of a gap once a record of it has come late.
func (g gap) without(seq int64) []gap {
	var rest []gap
	if seq > g.from {
		rest = append(rest, gap{from: g.from, to: seq - 1, at: g.at})
	}
	if seq < g.to {
		rest = append(rest, gap{from: seq + 1, to: g.to, at: g.at, prev: g.prev, blind: g.blind})
	}
	return rest
}

// linked compares the hash that a record names with the one that the record before it has.
func (v *Verifier) linked(now *link, prev rotator.AuditHash) {
	fits := prev == v.last.hash || prev == v.last.sum
	v.settle(&fits)
	if !fits && now.hash == now.sum && v.last.hash == v.last.sum {
		v.suspect = &suspicion{before: v.last, after: *now}
	}
}

// settle names the record that is wrong where two do not fit together: the second, if it does not fit the one behind it
// either, and else the first. fits is nil where there is none behind it.
func (v *Verifier) settle(fits *bool) {
	s := v.suspect
	if s == nil {
		return
	}
	v.suspect = nil
	wrong := s.before
	if fits != nil && !*fits {
		wrong = s.after
	}
	v.find(wrong.seq, wrong.at, "%s: it was replaced; records %d and %d do not fit together, the hash that the second names is not the first's",
		wrong.what, s.before.seq, s.after.seq)
	if fits != nil && !*fits {
		*fits = true // told of already
	}
}

// anchored compares a record with the anchor of its number.
func (v *Verifier) anchored(now *link) {
	hash, ok := v.anchors[now.seq]
	if !ok {
		return
	}
	delete(v.anchors, now.seq)
	if hash != now.sum {
		v.find(now.seq, now.at, "%s: it is not the record that the anchor was taken of, so the chain was written anew from here or before", now.what)
	}
}

// Finish ends the verification. end is what was noted elsewhere of the last record: the journal's own head, or the last
// line of an export; nil if nothing was.
func (v *Verifier) Finish(end *End) Result {
	r := &v.result
	fits := end == nil || end.Hash == v.last.hash
	v.settle(&fits)
	r.Head, r.Until = rotator.AuditHead{Seq: v.last.seq, Hash: v.last.hash}, v.last.at
	r.Filtered = end != nil && end.Filtered
	if !r.Filtered {
		for _, g := range v.gaps {
			v.judge(g)
		}
		r.Wrong += v.moreGaps
		v.checkEnd(end)
	}
	for _, seq := range slices.Sorted(maps.Keys(v.anchors)) {
		v.missedAnchor(seq)
	}
	return *r
}

// judge accepts a gap that a checkpoint, or an anchor where an export begins, ends with exactly the hash that the record
// behind it names.
func (v *Verifier) judge(g gap) {
	for blind := int64(0); blind <= g.blind; blind++ {
		end := g.to - blind
		if c, ok := v.removed[end]; ok && (blind > 0 || c.Hash == g.prev) {
			v.result.Removed = max(v.result.Removed, end)
			return
		}
		if blind > 0 && end == g.from-1 {
			return // what stood there has been told of
		}
	}
	if hash, ok := v.anchors[g.to]; ok && g.from == 1 && hash == g.prev {
		delete(v.anchors, g.to)
		return
	}
	if g.from == 1 {
		g.from = v.removedBefore(g.to) + 1
	}
	switch {
	case g.to < g.from:
		v.find(g.from, v.result.Since, "the first record names a record before it, and there was none: it was changed or replaced")
	case g.to == g.from:
		v.find(g.from, g.at, "it is missing, and no checkpoint accounts for it")
	default:
		v.find(g.from, g.at, "it and all up to record %d are missing, and no checkpoint accounts for them", g.to)
	}
}

// removedBefore returns up to where a checkpoint accounts for what is missing from the beginning, short of seq.
func (v *Verifier) removedBefore(seq int64) int64 {
	var through int64
	for t := range v.removed {
		if t < seq {
			through = max(through, t)
		}
	}
	return through
}

// checkEnd looks for records that are missing at the end, or that were put there.
func (v *Verifier) checkEnd(end *End) {
	switch {
	case end == nil:
		v.find(v.last.seq+1, v.last.at, "the end is missing: records may have been cut off behind record %d", v.last.seq)
	case end.Seq > v.last.seq:
		v.find(v.last.seq+1, v.last.at, "it and all up to record %d, the last that was written, are missing from the end", end.Seq)
	case end.Seq < v.last.seq:
		v.find(v.last.seq, v.last.at, "%s: it was put behind record %d, the last that was written", v.last.what, end.Seq)
	case end.Seq > 0 && end.Hash != v.last.hash && end.Hash != v.last.sum:
		v.find(v.last.seq, v.last.at, "%s: it was replaced, it is not the last record that was written", v.last.what)
	}
}

// missedAnchor says why an anchor was of no use.
func (v *Verifier) missedAnchor(seq int64) {
	c, removed := v.removed[seq]
	switch {
	case removed && c.Hash == v.anchors[seq]:
	case seq > v.last.seq:
		v.find(seq, v.last.at, "the anchor names it, and the chain ends before it: records were cut off, or this is an older copy")
	case seq < v.result.First:
		v.find(seq, v.result.Since, "the anchor names it, and it is before the first record here, so the anchor shows nothing; use a later one")
	case !v.result.Filtered:
		v.find(seq, time.Time{}, "the anchor names it, and it is not there")
	}
}
