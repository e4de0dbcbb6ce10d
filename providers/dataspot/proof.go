package dataspot

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/rotatord/rotatord/rotator"
)

// proofLifetime is how long the keys of the throw-away user live.
const proofLifetime = 24 * time.Hour

// probeEvery is how often a key is tried that may not be known everywhere yet.
const probeEvery = 250 * time.Millisecond

// proof is what the throw-away user has shown of writing keys. It is found out once in the provider's life; a doubt that may pass (an
// answer that was lost) is no finding, and the next key asks again.
type proof struct {
	gate chan struct{} // held by whoever reads or finds out; guards the fields
	done bool
	user string // the id of the throw-away user
	bad  error  // why no key is made; nil if a write adds keys and shows their values
}

func newProof() *proof { return &proof{gate: make(chan struct{}, 1)} }

func (f *proof) enter(ctx context.Context) error {
	select {
	case f.gate <- struct{}{}:
		return nil
	case <-ctx.Done():
		return rotator.NewFault("create key", rotator.Throttled, "stopped before anything was sent: %w", ctx.Err())
	}
}

func (f *proof) leave() { <-f.gate }

// finding is a result that stands: trying again would find the same.
type finding struct{ error }

func found(format string, args ...any) error { return finding{fmt.Errorf(format, args...)} }

// prove returns the id of the throw-away user if it has shown that a write adds a key and shows its value. Otherwise nothing has been
// or will be written to any other user, and the fault is Invalid if that stands, or of another kind if it may pass.
func (p *Provider) prove(ctx context.Context) (throwaway string, err error) {
	f := p.proof
	if err := f.enter(ctx); err != nil {
		return "", err
	}
	defer f.leave()
	if !f.done {
		f.user, err = p.tryThrowaway(ctx)
		if stands, ok := errors.AsType[finding](err); ok {
			f.bad = stands.error
		} else if err != nil {
			return "", p.doubt(err)
		}
		f.done = true
	}
	if f.bad != nil {
		return "", rotator.NewFault("create key", rotator.Invalid, "%w; nothing was written to any other user. Leave create_keys out, so that people make the keys; "+
			"after a change of the server or of the settings, restart to have it tried again", f.bad)
	}
	return f.user, nil
}

// doubt is the fault of a proof that did not come to its end. What is unknown of the throw-away user matters to nobody.
func (p *Provider) doubt(err error) error {
	kind := rotator.KindOf(err)
	if kind == rotator.UnknownOutcome || kind == rotator.Transient {
		kind = rotator.Throttled // no key was asked for that anybody waits for
	}
	return &rotator.Fault{Op: "create key", Kind: kind, RetryAfter: rotator.RetryAfterOf(err), Err: fmt.Errorf(
		"the throw-away user %q could not show what a write of keys does, so nothing was written to any other user: %w", p.options.ThrowawayUser, err)}
}

// tryThrowaway writes two keys to the throw-away user and looks whether the first survives the second.
func (p *Provider) tryThrowaway(ctx context.Context) (id string, err error) {
	u, err := p.userByLogin(ctx, p.options.ThrowawayUser)
	if err != nil {
		return "", err
	}
	if !u.ServiceUser {
		return "", found("the throw-away user %q is a person's and not a service user", u.LoginID)
	}
	run := "rotatord-proof-" + strings.ToLower(rand.Text()[:8])
	first, err := p.throwawayKey(ctx, u.ID, p.fitName(run+"-a", "-a"))
	if err != nil {
		return "", err
	}
	defer first.Wipe()
	second, err := p.throwawayKey(ctx, u.ID, p.fitName(run+"-b", "-b"))
	if err != nil {
		return "", err
	}
	defer second.Wipe()
	return u.ID, p.survives(ctx, first)
}

// fitName shortens the name of a key to what is allowed, and keeps its end.
func (p *Provider) fitName(name, end string) string {
	if most := p.limits.MaxNameLength; most > 0 && len(name) > most {
		name = name[len(name)-most:]
	}
	valid := p.limits.ValidNameRune
	if valid == nil {
		return name
	}
	fit := strings.Map(func(r rune) rune {
		if valid(r) {
			return r
		}
		return -1
	}, name)
	if strings.HasSuffix(fit, end[1:]) {
		return fit
	}
	return name // the server says what is wrong with it
}

// throwawayKey makes a key whose value is known and works.
func (p *Provider) throwawayKey(ctx context.Context, userID, name string) (rotator.Secret, error) {
	d, err := p.document(ctx, userID)
	if err != nil {
		return rotator.Secret{}, err
	}
	made, err := p.writeKey(ctx, d, name, p.expiry.after(p.options.Clock.Now(), proofLifetime))
	switch {
	case errors.Is(err, errNoValue):
		return rotator.Secret{}, found("a write made the key %q of the throw-away user %q and the answer does not show its value, so no key that is made by a call "+
			"would be of use", name, p.options.ThrowawayUser)
	case rotator.KindOf(err) == rotator.Invalid && err != nil:
		return rotator.Secret{}, found("the server does not take a key written to the throw-away user %q: %w", p.options.ThrowawayUser, err)
	case err != nil:
		return rotator.Secret{}, err
	}
	err = p.works(ctx, made.Secret)
	if kind := rotator.KindOf(err); err != nil && (kind == rotator.Denied || kind == rotator.Invalid) {
		return rotator.Secret{}, found("a write to the throw-away user %q showed a value for the key %q that does not work%s: %w",
			p.options.ThrowawayUser, name, p.whoseValue(), err)
	}
	return made.Secret, err
}

func (p *Provider) whoseValue() string {
	if p.options.ClientValues {
		return " (it is the one that was sent; if the server makes values itself, leave client_values out)"
	}
	return ""
}

// works tries the key until it is let in, or the time is over in which a new one may not be known yet.
func (p *Provider) works(ctx context.Context, secret rotator.Secret) error {
	for end := time.Now().Add(p.options.Propagation); ; {
		c := p.probe()
		c.Name, c.Secret = "check", secret
		err := p.checkSecret(ctx, c)
		if err == nil || rotator.KindOf(err) != rotator.Denied || !time.Now().Before(end) {
			return err
		}
		if err := wait(ctx, min(probeEvery, time.Until(end))); err != nil {
			return err
		}
	}
}

// survives looks at the first key once a change has come through everywhere: a key that was replaced may be let in until then.
func (p *Provider) survives(ctx context.Context, first rotator.Secret) error {
	if err := wait(ctx, p.options.Propagation); err != nil {
		return err
	}
	c := p.probe()
	c.Name, c.Secret = "check", first
	err := p.checkSecret(ctx, c)
	if err != nil && rotator.KindOf(err) == rotator.Denied {
		return found("a write replaces keys: the first key that was written to the throw-away user %q was gone after the second, so a write would delete the "+
			"keys that are in use", p.options.ThrowawayUser)
	}
	return err
}

func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return rotator.NewFault("create key", rotator.Transient, "stopped: %w", ctx.Err())
	}
}
