// Package webhook tells a consumer by posting a signed CloudEvent. It holds no secret: whoever wants the key reads it from its
// place.
package webhook

import (
	"context"
	"fmt"

	"github.com/rotatord/rotatord/hooks"
	"github.com/rotatord/rotatord/notify/webhook"
	"github.com/rotatord/rotatord/rotator"
)

// EventType names what is in an event's data, a [hooks.Event]; it changes when that does in a way that readers would not understand.
const EventType = "io.github.rotatord.delivered.v1"

// Caller posts. Make one with [New].
type Caller struct{ sender *webhook.Sender }

var _ hooks.Caller = (*Caller)(nil)

// New makes a caller of what a webhook for notices is made of; the format is CloudEvents. It makes no call.
func New(o webhook.Options) *Caller {
	o.Format = webhook.CloudEvents
	return &Caller{webhook.New(o)}
}

// Target implements [hooks.Caller]: an event tells of any keys.
func (*Caller) Target(*rotator.HookRun) (string, error) { return "", nil }

// Do implements [hooks.Caller]. Where there is no answer, or one of trouble behind the receiver, it may have the event.
func (c *Caller) Do(ctx context.Context, k hooks.Call) (string, error) {
	e := webhook.NewEvent(EventType, k.ID, k.Runs[0].At)
	if len(k.Runs) == 1 {
		e.Subject = k.Runs[0].CredentialID.String()
	}
	e.Data = k.Event()
	err := c.sender.SendEvent(ctx, e)
	switch {
	case err == nil:
		return "the receiver took event " + k.ID, nil
	case rotator.KindOf(err) == rotator.Transient:
		return "", &rotator.Fault{Op: "tell hook " + k.Hook, Kind: rotator.UnknownOutcome, Err: fmt.Errorf("the receiver may have it: %w", err)}
	default:
		return "", err
	}
}
