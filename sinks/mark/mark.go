// Package mark is what sinks leave beside a secret so that they recognise their own work later, and the one decision that
// follows from it: whether a delivery may be written over what is there.
//
// How a mark is stored, and how a sink notices that the secret beside it was changed, is each sink's own affair.
package mark

import (
	"cmp"

	"github.com/rotatord/rotatord/rotator"
)

// Mark says which delivery a stored secret came from. It holds no secret.
type Mark struct {
	Version     int    `json:"version"`
	Rotation    string `json:"rotation"`
	Fingerprint string `json:"fingerprint"`
	KeyID       string `json:"key_id,omitempty"`
	KeyName     string `json:"key_name,omitempty"`
}

// Of returns the mark of a delivery.
func Of(d rotator.Delivery) Mark {
	return Mark{Version: d.Version, Rotation: d.Rotation, Fingerprint: d.Fingerprint, KeyID: d.KeyID, KeyName: d.KeyName}
}

// Found is what a sink sees at a location.
type Found struct {
	// Present is false when a consumer reads nothing there.
	Present bool
	// Mark is the mark found there, even when the secret beside it is gone or was changed; nil for none.
	Mark *Mark
	// Foreign says in words, as the end of a sentence, why what is there is not what we wrote; empty when it is.
	Foreign string
	// Where names the place for people, Remove is how they would clear it: a command or a short sentence.
	Where, Remove string
	// Secret is the copy that a consumer reads.
	Secret rotator.Secret
}

// Observation puts what was found into the words of the contract.
func (f Found) Observation() rotator.Observation {
	if !f.Present {
		return rotator.Observation{}
	}
	o := rotator.Observation{Present: true, Ours: f.Foreign == "", Secret: f.Secret}
	if f.Mark != nil {
		o.Version, o.Rotation, o.Fingerprint = f.Mark.Version, f.Mark.Rotation, f.Mark.Fingerprint
	}
	return o
}

// Verdict is what to do about a delivery.
type Verdict int

// The verdicts.
const (
	// Refuse: the error says why.
	Refuse Verdict = iota
	// Write: what is there may be replaced by the delivery.
	Write
	// Keep: the delivery is already there.
	Keep
)

// Decide says whether d may replace what was found. The error is a fault about op, of kind [rotator.Conflict]. With adopt, what
// somebody else wrote may be replaced; a newer version never is, not even after somebody deleted or changed it.
func Decide(op string, f Found, d rotator.Delivery, adopt bool) (Verdict, error) {
	if f.Present && f.Foreign != "" && !adopt {
		return Refuse, rotator.NewFault(op, rotator.Conflict,
			"%s holds something that rotatord did not write there: %s; nothing was overwritten. "+
				"Either set adopt_existing on this sink to take it over, or remove it (%s)", f.Where, f.Foreign, f.Remove)
	}
	if f.Mark != nil && f.Mark.Version > d.Version {
		return Refuse, rotator.NewFault(op, rotator.Conflict,
			"%s is marked as version %d, delivered by rotation %s, and version %d of rotation %s is older: it does not replace it. "+
				"If the newer one is void, remove it and its mark (%s)",
			f.Where, f.Mark.Version, f.Mark.Rotation, d.Version, d.Rotation, f.Remove)
	}
	if !f.Present || f.Foreign != "" || f.Mark == nil || f.Mark.Version < d.Version {
		return Write, nil
	}
	if !f.Secret.Equal(d.Secret) {
		return Refuse, rotator.NewFault(op, rotator.Conflict,
			"%s already holds version %d, of key %s by rotation %s, with another secret than version %d of key %s by rotation %s; "+
				"two writers deliver the same credential, or the journal was restored from an old copy. Find out which one is valid, "+
				"and remove the other (%s)",
			f.Where, f.Mark.Version, cmp.Or(f.Mark.KeyID, "?"), f.Mark.Rotation, d.Version, cmp.Or(d.KeyID, "?"), d.Rotation, f.Remove)
	}
	if *f.Mark != Of(d) {
		return Write, nil
	}
	return Keep, nil
}

// Check refuses a delivery that no sink can make: kind [rotator.Invalid].
func Check(op string, d rotator.Delivery) error {
	if d.Secret.Empty() {
		return rotator.NewFault(op, rotator.Invalid,
			"the secret of version %d of key %s is empty; it was not delivered, because consumers would lose the one they have", d.Version, d.KeyID)
	}
	return nil
}
