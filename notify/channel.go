package notify

import (
	"context"
	"strings"

	"github.com/rotatord/rotatord/rotator"
)

// channelPrefix begins the address of a channel. No e-mail address that may be written to has a colon in it.
const channelPrefix = "channel:"

// ChannelAddress is what notices for the channel of that name are addressed to.
func ChannelAddress(name string) string { return channelPrefix + name }

// Channels sends messages for channels through their own senders, and all others through Contacts. It is never changed once
// it is in use.
type Channels struct {
	// Contacts sends what is for contacts; nil where nobody does.
	Contacts Sender
	// Recipient is the [Route]'s for the addresses of contacts; nil for nobody.
	Recipient func(address string) string
	// ByName are the channels' senders.
	ByName map[string]Sender
}

var _ Sender = Channels{}

// Send implements [Sender].
func (c Channels) Send(ctx context.Context, m Message) error {
	sender := c.Contacts
	if name, ok := strings.CutPrefix(m.To, channelPrefix); ok {
		sender = c.ByName[name]
	}
	if sender == nil {
		return rotator.NewFault("send a notice to "+m.To, rotator.Invalid, "nothing in the configuration says how")
	}
	return sender.Send(ctx, m)
}

// Way is for [Route.Way]: each channel is a way of its own, and all contacts are one.
func (c Channels) Way(address string) string {
	if strings.HasPrefix(address, channelPrefix) {
		return address
	}
	return ""
}

// Of is for [Route.Recipient]: a channel that is not there any more is nobody.
func (c Channels) Of(address string) string {
	if name, ok := strings.CutPrefix(address, channelPrefix); ok {
		if c.ByName[name] == nil {
			return ""
		}
		return address
	}
	if c.Recipient == nil {
		return ""
	}
	return c.Recipient(address)
}
