package digicertone

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/rotatord/rotatord/providers/internal/rest"
	"github.com/rotatord/rotatord/rotator"
)

// Retire implements [rotator.Provider]: it deletes the token, or in [RecreateMode] the service user. A key that the service
// does not know counts as gone only if looking for it by its id says so too, because a path that does not exist is answered
// in the same words.
func (p *Provider) Retire(ctx context.Context, key rotator.Key) error {
	where := p.deletePath()
	c := rest.Call{Name: "delete_" + p.noun(), Method: http.MethodDelete, Path: where.of(key.ID)}
	if err := p.checkKey(ctx, "DELETE", key); err != nil {
		return err
	}
	err := p.write(ctx, c)
	if err == nil || !errors.Is(err, rest.ErrNotFound) {
		return err
	}
	_, _, lookErr := p.getKey(ctx, key.ID)
	switch {
	case rotator.KindOf(lookErr) == rotator.Gone:
		return nil
	case lookErr != nil:
		return lookErr
	default:
		return where.wrong(err)
	}
}

// noun is what a key is, for the names of operations.
func (p *Provider) noun() string {
	if p.options.Mode == RecreateMode {
		return "user"
	}
	return "token"
}

func (p *Provider) deletePath() path {
	if p.options.Mode == RecreateMode {
		return p.options.Paths.deleteUser()
	}
	return path{"", tokens + "/{id}"}
}

// checkKey makes sure, before a key is switched off or deleted, that its id is one and, in [RecreateMode], that it is not the
// user that the daemon itself is. A certificate has no secret that the engine could tell that by.
func (p *Provider) checkKey(ctx context.Context, op string, key rotator.Key) error {
	if !validID(key.ID) {
		return rotator.NewFault(op, rotator.Invalid, "%q is not the id of a DigiCert ONE %s", key.ID, p.noun())
	}
	if p.options.Mode == TokenMode {
		return nil
	}
	self, _, err := p.getUser(ctx, me)
	if err != nil {
		return err
	}
	if self.id == key.ID {
		return rotator.NewFault(op, rotator.Invalid, "rotatord itself signs in as the service user %s (%s), so it neither disables nor deletes it", self.name, self.id)
	}
	return nil
}

// write makes a call whose answer says nothing beyond its status.
func (p *Provider) write(ctx context.Context, c rest.Call) error {
	ans, err := p.own.Write(ctx, c)
	if err != nil {
		return err
	}
	_ = ans.Body.Close()
	return nil
}

// wrong adds to a refusal that speaks against the path which setting it comes from. What was asked for exists, so a path
// that is not known cannot mean that it is gone.
func (p path) wrong(err error) error {
	fault, ok := errors.AsType[*rotator.Fault](err)
	if !ok || p.setting == "" || fault.Kind != rotator.Invalid && fault.Kind != rotator.Gone {
		return err
	}
	hinted := *fault
	hinted.Kind = rotator.Invalid
	hinted.Err = fmt.Errorf("%w; if this instance has another path for it, set %s", fault.Err, p.setting)
	return &hinted
}

// Disable implements [rotator.Disabler]. What has expired or is gone is off.
func (p *Provider) Disable(ctx context.Context, key rotator.Key) error {
	if err := p.checkKey(ctx, "disable "+p.noun(), key); err != nil {
		return err
	}
	k, o, err := p.getKey(ctx, key.ID)
	switch {
	case rotator.KindOf(err) == rotator.Gone:
		return nil
	case err != nil:
		return err
	case k.State == rotator.KeyDisabled || expired(k, p.options.Clock.Now()):
		return nil
	default:
		return p.turn(ctx, k, o, false)
	}
}

// Enable implements [rotator.Disabler]. What has expired cannot be enabled again, as the vendor documents of tokens.
func (p *Provider) Enable(ctx context.Context, key rotator.Key) error {
	k, o, err := p.getKey(ctx, key.ID)
	switch {
	case err != nil:
		return err
	case expired(k, p.options.Clock.Now()):
		return rotator.NewFault("enable "+p.noun(), rotator.Invalid, "%s (%s) has expired, and what has expired cannot be enabled again", k.Name, k.ID)
	case k.State == rotator.KeyActive:
		return nil
	default:
		return p.turn(ctx, k, o, true)
	}
}

func expired(k rotator.Key, now time.Time) bool {
	return k.State.Refused() || !k.Expires.IsZero() && !k.Expires.After(now)
}

// turn switches a key that was just read on or off.
func (p *Provider) turn(ctx context.Context, k rotator.Key, o object, on bool) error {
	name, word, where := "disable_"+p.noun(), p.options.Statuses.Disabled, p.options.Paths.disableUser()
	if on {
		name, word, where = "enable_"+p.noun(), p.options.Statuses.Active, p.options.Paths.enableUser()
	}
	switch {
	case p.options.Mode == TokenMode:
		return p.update(ctx, name, path{"", tokens + "/{id}"}, k.ID, o, setting{p.options.Fields.TokenStatus, word})
	case p.options.SwitchUsersByStatus:
		return p.update(ctx, name, p.options.Paths.updateUser(), k.ID, o, setting{p.options.Fields.UserStatus, word})
	default:
		return where.wrong(p.write(ctx, rest.Call{Name: name, Method: http.MethodPut, Path: where.of(k.ID)}))
	}
}

// update sends changes to something that was just read: with everything else that it has, or alone.
func (p *Provider) update(ctx context.Context, name string, where path, id string, was object, changes ...setting) error {
	c := rest.Call{Name: name, Method: http.MethodPut, Path: where.of(id)}
	o := object{}
	if p.options.UpdateStyle == FullUpdate {
		for member, value := range was {
			o[member] = value
		}
		// A service that shows a masked value must not get it back as the value.
		o.drop(p.options.Fields.TokenValue)
		o.drop(p.options.Fields.CreatedToken)
	}
	for _, change := range changes {
		if err := o.set(change.path, change.value); err != nil {
			return &rotator.Fault{Op: c.Op(), Kind: rotator.Invalid, Err: err}
		}
	}
	var err error
	if c.Body, err = encode(c.Op(), o); err != nil {
		return err
	}
	return where.wrong(p.write(ctx, c))
}
