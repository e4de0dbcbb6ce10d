package engine

import (
	"context"
	"fmt"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/rotatord/rotatord/rotator"
)

// verifyTries is how often a credential is looked at whose rotation moves while it is looked at.
const verifyTries = 3

// place is what one sink should hold.
type place struct {
	rotator.SinkProgress
	// accept are the fingerprints of keys that may be there.
	accept []string
	// maybe is true where nothing need be there yet.
	maybe bool
}

// expected is what the sinks of a credential should hold.
type expected struct {
	made   *rotator.Rotation // by which the key came; nil where rotatord did not make it
	key    rotator.KeyRef
	moving bool // a rotation is between making its key and confirming it
	places []place
	mark   string // changes when a rotation of the credential moves
}

// look says how one credential stands. The error is the journal's, or that of ctx.
func (v *verifier) look(ctx context.Context, at *provided, c *rotator.FleetCredential) (found rotator.Verification, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = nil
			found = v.begin(c)
			found.Outcome, found.Why = rotator.VerifiedUnreachable, v.e.defect("verify", cause, zap.String("credential", c.Key.Credential().String())).Error()
			found.Do = "report it; until it is mended, look at this credential by hand"
		}
	}()
	for try := 1; ; try++ {
		want, err := v.e.expects(ctx, &c.Key)
		if err != nil {
			return found, err
		}
		if found, err = v.compare(ctx, at, c, want); err != nil {
			return found, err
		}
		if !found.Outcome.NeedsPerson() || try == verifyTries {
			return found, nil
		}
		now, err := v.e.expects(ctx, &c.Key)
		if err != nil || now.mark == want.mark {
			return found, err
		}
	}
}

func (v *verifier) begin(c *rotator.FleetCredential) rotator.Verification {
	return rotator.Verification{CredentialID: c.Key.Credential(), ServiceUser: c.UserName, Policy: c.Key.Policy,
		Key: rotator.KeyRef{ID: c.Key.ID, Name: c.Key.Name}, At: v.e.clock.Now(), Outcome: rotator.VerifiedOK}
}

// expects works out what the sinks should hold: the key that was delivered last, and while another is being delivered, that one
// where it has arrived.
func (e *Engine) expects(ctx context.Context, current *rotator.TrackedKey) (expected, error) {
	c := current.Credential()
	x := expected{key: rotator.KeyRef{ID: current.ID, Name: current.Name}}
	open, err := e.store.OpenRotation(ctx, c)
	if err != nil && rotator.KindOf(err) != rotator.Gone {
		return x, err
	}
	x.mark = fmt.Sprint(open.ID, " ", open.Seq)
	if open.Fingerprint != "" && len(open.Unconfirmed()) == 0 {
		return x.settled(&open), nil
	}
	before, err := e.lastDelivered(ctx, c)
	if err != nil {
		return x, err
	}
	if before != nil {
		x = x.settled(before)
	}
	for _, f := range open.Former { // a key that was given up may be there until the next one is
		x.moving = true
		x = x.also(rotator.SinkProgress{Sink: f.Sink, Location: f.Location}, f.Fingerprint)
	}
	if open.Fingerprint != "" {
		x.moving = true
		for _, p := range open.Sinks {
			x = x.also(p, open.Fingerprint)
		}
	}
	return x, nil
}

// also lets the key of that fingerprint be in the sink too, or, where it was confirmed, no other.
func (x expected) also(p rotator.SinkProgress, fingerprint string) expected {
	i := slices.IndexFunc(x.places, func(q place) bool { return q.Sink == p.Sink && q.Location == p.Location })
	switch {
	case i < 0:
		x.places = append(x.places, place{SinkProgress: p, accept: []string{fingerprint}, maybe: !p.Confirmed()})
	case p.Confirmed():
		x.places[i].accept, x.places[i].maybe = []string{fingerprint}, false
	default:
		x.places[i].accept = append(x.places[i].accept, fingerprint)
	}
	return x
}

// settled expects in each sink of r the key that r made.
func (x expected) settled(r *rotator.Rotation) expected {
	x.made, x.key, x.places = r, r.NewKey, nil
	for _, p := range r.Sinks {
		x.places = append(x.places, place{SinkProgress: p, accept: []string{r.Fingerprint}})
	}
	return x
}

// deliveredBefore is how many rotations are looked through for the last that delivered; others moved an expiry or were abandoned.
const deliveredBefore = 50

// lastDelivered returns the credential's last rotation that delivered and ended, whatever became of its key since; nil if
// there is none that the journal still has.
func (e *Engine) lastDelivered(ctx context.Context, c rotator.CredentialID) (*rotator.Rotation, error) {
	past, err := e.store.RotationsOf(ctx, c, deliveredBefore)
	if err != nil {
		return nil, err
	}
	for i := range past {
		if past[i].Stage == rotator.StageDone && past[i].Fingerprint != "" {
			return &past[i], nil
		}
	}
	return nil, nil //nolint:nilnil // none is an answer
}

// compare reads the sinks and tries at the provider each key that was found in them.
func (v *verifier) compare(ctx context.Context, at *provided, c *rotator.FleetCredential, want expected) (rotator.Verification, error) {
	found := v.begin(c)
	found.Key = want.key
	if want.moving {
		found.Outcome = rotator.VerifiedMoving
	}
	if want.made == nil && !want.moving {
		found.Outcome = rotator.VerifiedUndelivered
		found.Why = "rotatord did not make this key, so it does not know what the sinks should hold"
		found.Do = fmt.Sprintf("nothing, if that is known; its first rotation delivers a key, when it is due or with: rotatord rotate %s", found.CredentialID)
		return found, nil
	}
	coordinates := rotator.Coordinates{Provider: found.Provider, UserID: found.UserID, ServiceUser: c.UserName, Credential: found.Base}
	if want.made != nil {
		found.Rotation, found.Fingerprint, coordinates = want.made.ID, want.made.Fingerprint, want.made.Coordinates()
	}
	tried := map[string]error{}
	for _, p := range want.places {
		seen, secret := v.read(ctx, coordinates, &p)
		if _, done := tried[seen.Fingerprint]; seen.Matches && !secret.Empty() && !done {
			tried[seen.Fingerprint] = v.try(ctx, at, found.UserID, secret)
		}
		secret.Wipe()
		found.Sinks = append(found.Sinks, seen.VerifySink)
		found = worse(found, seen.outcome, "sink "+seen.Sink+": "+seen.Trouble)
	}
	found.SignsIn = len(tried) > 0
	for _, err := range tried {
		if err == nil {
			continue
		}
		found.SignsIn = false
		found = worse(found, keyOutcome(err), "the provider, asked with the key that was read back: "+err.Error())
	}
	if ctx.Err() != nil {
		return found, ctx.Err()
	}
	found.Do = advise(&found)
	return found, nil
}

// gravity orders outcomes: the gravest is told.
var gravity = []rotator.VerifyOutcome{rotator.VerifiedOK, rotator.VerifiedMoving, rotator.VerifiedUnreachable, rotator.VerifiedDiffers, rotator.VerifiedRefused}

func worse(v rotator.Verification, o rotator.VerifyOutcome, why string) rotator.Verification {
	if o == "" {
		return v
	}
	if slices.Index(gravity, o) > slices.Index(gravity, v.Outcome) {
		v.Outcome = o
	}
	if v.Why != "" {
		why = v.Why + "; " + why
	}
	v.Why = why
	return v
}

func advise(v *rotator.Verification) string {
	switch v.Outcome {
	case rotator.VerifiedRefused:
		return fmt.Sprintf("its consumers are refused now: make and deliver another key with: rotatord rotate %s (with --start-over if a rotation is under way)", v.CredentialID)
	case rotator.VerifiedDiffers:
		return fmt.Sprintf("find out who wrote there; rotatord keeps no copy of a delivered key, so have another made and delivered: rotatord rotate %s "+
			"(with --start-over if a rotation is under way)", v.CredentialID)
	case rotator.VerifiedUnreachable:
		return fmt.Sprintf("see that it answers, and look again: rotatord verify %s", v.CredentialID)
	default:
		return ""
	}
}

// reading is what one sink holds, and what that means; an empty outcome is as it should be.
type reading struct {
	rotator.VerifySink
	outcome rotator.VerifyOutcome
}

// read reads one sink. The secret is the caller's to wipe.
func (v *verifier) read(ctx context.Context, c rotator.Coordinates, p *place) (reading, rotator.Secret) {
	s := reading{VerifySink: rotator.VerifySink{Sink: p.Sink, Location: p.Location}}
	fail := func(o rotator.VerifyOutcome, format string, args ...any) (reading, rotator.Secret) {
		s.outcome, s.Trouble = o, fmt.Sprintf(format, args...)
		return s, rotator.Secret{}
	}
	sink, ok := v.e.setup.Load().Sinks[p.Sink]
	switch {
	case !ok:
		return fail(rotator.VerifiedDiffers, "it is no longer in the configuration, and %s may still hold the key", p.Location)
	case v.sinks.of(p.Sink):
		return fail(rotator.VerifiedUnreachable, "it was not asked any more, because it did not answer %d times in a row", hopeless)
	}
	limited, cancel := context.WithTimeout(ctx, sinkPatience)
	defer cancel()
	seen, err := sink.Observe(limited, c, p.Location)
	v.e.obs.Probed(p.Sink, err)
	v.sinks.note(p.Sink, err == nil || !silent(err))
	if err != nil {
		return fail(rotator.VerifiedUnreachable, "%s cannot be read: %v", p.Location, err)
	}
	if !seen.Present {
		if p.maybe {
			return s, rotator.Secret{}
		}
		return fail(rotator.VerifiedDiffers, "nothing is at %s", p.Location)
	}
	s.Fingerprint = v.e.fingerprint(seen)
	if s.Matches = slices.Contains(p.accept, s.Fingerprint); !s.Matches {
		seen.Secret.Wipe()
		return fail(rotator.VerifiedDiffers, "%s holds a secret with fingerprint %s, not the key's %s", p.Location, s.Fingerprint, p.accept[0])
	}
	return s, seen.Secret
}

// Bounds of one credential's call to the provider.
const (
	checkTries    = 3
	shortestCalm  = 5 * time.Second
	longestCalm   = 2 * time.Minute
	checkPatience = 2 * time.Minute
)

// try asks the provider whether the key works.
func (v *verifier) try(ctx context.Context, at *provided, userID string, secret rotator.Secret) error {
	const op = "verify"
	name := at.a.name
	for n := 1; ; n++ {
		if until, paused := at.a.paused(v.e.clock.Now()); paused {
			return rotator.NewFault(op, rotator.Transient, "it was not asked, because it is paused until %s: %s", until.UTC().Format(time.RFC3339), at.a.snapshot().PausedWhy)
		}
		if at.of(name) {
			return rotator.NewFault(op, rotator.Transient, "it was not asked any more, because it did not answer %d times in a row", hopeless)
		}
		if err := at.await(ctx); err != nil {
			return err
		}
		limited, cancel := context.WithTimeout(ctx, checkPatience)
		err := at.a.provider().Check(limited, userID, secret)
		cancel()
		if rotator.KindOf(err) == rotator.Throttled && n < checkTries {
			at.quieten(min(max(rotator.RetryAfterOf(err), shortestCalm), longestCalm))
			continue
		}
		at.note(name, err == nil || !silent(err))
		return err
	}
}

// silent reports whether the other side gave no answer that says anything.
func silent(err error) bool {
	switch rotator.KindOf(err) {
	case rotator.Transient, rotator.Throttled, rotator.UnknownOutcome:
		return true
	default:
		return false
	}
}

func keyOutcome(err error) rotator.VerifyOutcome {
	switch rotator.KindOf(err) {
	case rotator.Denied, rotator.Conflict, rotator.Invalid, rotator.Gone:
		return rotator.VerifiedRefused
	default:
		return rotator.VerifiedUnreachable
	}
}
