package engine

import (
	"context"
	"errors"
	"fmt"

	"go.uber.org/zap"

	"github.com/rotatord/rotatord/rotator"
)

// addFollowUp adds to the end of a rotation whose new key may have leaked too the plan of the one that replaces that key. Both are
// committed together, so that no crash comes between them. Where it cannot be planned, the incident tells a person to ask for it.
func (e *Engine) addFollowUp(ctx context.Context, c *rotator.Change) error {
	if c.After.Stage != rotator.StageDone || !c.After.SuspectNew() {
		return nil
	}
	p, err := e.policyNow(ctx, &c.After)
	if err != nil {
		return asJournal(err)
	}
	if p == nil || p.Observe {
		e.noFollowUp(c, errors.New("no policy rotates it any more"))
		return nil
	}
	now := e.clock.Now()
	next := c.After.FollowLeak(p)
	if next.Sinks, err = e.locate(&next, p); err != nil {
		e.noFollowUp(c, err)
		return nil
	}
	highest, err := e.store.HighestVersion(ctx, next.CredentialID)
	if err != nil {
		return asJournal(err)
	}
	next.Version = max(next.Version, highest+1)
	then := rotator.Plan(newRotationID(now), next, now, fmt.Sprintf("%s: key %s was out when %s reported the leak", next.Reason, next.OldKey.Name, next.Actor))
	c.Then = &then
	return nil
}

// noFollowUp says that a person has to ask for the rotation.
func (e *Engine) noFollowUp(c *rotator.Change, why error) {
	r := &c.After
	e.log.Error("the new key was out when the leak was reported, so it may have leaked too, and no rotation of it can be planned",
		append(rotationFields(r), zap.Error(why), zap.String("do", "rotatord rotate --compromised "+r.CredentialID.String()))...)
}
