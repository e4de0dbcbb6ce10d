package engine

import (
	"context"

	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/rotator/seal"
)

// sealLoss is who gives up keys whose seal key was lost, in the history.
const sealLoss = "the loss of the seal key"

// afterLoss takes the place of the step of a rotation whose seal key was given up as lost: the new key's secret, or what it is
// compared by, is gone. A key that no sink has seen is revoked. One that a sink may have stays, and another is made; it goes
// together with the old one, on the evidence that both are replaced (guarantee G1). It is false where the stage needs neither
// secret nor fingerprint.
func (e *Engine) afterLoss(ctx context.Context, r *rotator.Rotation) (rotator.Change, bool, error) {
	if !seal.Lost(r.Sealed) {
		return rotator.Change{}, false, nil
	}
	switch r.Stage {
	case rotator.StageTesting:
		return r.Reject("the seal key was given up as lost, and with it the secret of key "+r.NewKey.Name, e.clock.Now()), true, nil
	case rotator.StageDelivering, rotator.StageGrace, rotator.StageDeactivating, rotator.StageRevoking:
		c, err := e.startOverAfterLoss(ctx, r)
		return c, true, err
	default:
		return rotator.Change{}, false, nil
	}
}

func (e *Engine) startOverAfterLoss(ctx context.Context, r *rotator.Rotation) (rotator.Change, error) {
	policy, err := e.policyNow(ctx, r)
	if err != nil {
		return rotator.Change{}, asJournal(err)
	}
	if policy == nil {
		return rotator.Change{}, rotator.NewFault("start over", rotator.Invalid, "the seal key was given up as lost, so %s needs another key, "+
			"and no policy says where it is to be delivered: add it to a policy", r.CredentialID)
	}
	now := e.clock.Now()
	sinks, err := e.locate(r, policy)
	if err != nil {
		return rotator.Change{}, err
	}
	return r.StartOver(sealLoss, sinks, now), nil
}
