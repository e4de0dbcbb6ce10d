package notify_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/rotatord/rotatord/notify"
)

// TestAClosedWayStopsNoOther: a chat that is down keeps neither the mail nor another chat waiting.
func TestAClosedWayStopsNoOther(t *testing.T) {
	bubble(t, func(t *testing.T, o *office) {
		chat, other := &postman{}, &postman{}
		chat.fail = func(context.Context, notify.Message) error { return fmt.Errorf("%w: it is down", notify.ErrOutage) }
		ways := notify.Channels{
			Contacts: o.postman, Recipient: func(to string) string { return to },
			ByName: map[string]notify.Sender{"chat": chat, "other": other},
		}
		o.route = notify.Route{Sender: ways, Recipient: ways.Of, Way: ways.Way}
		for i := range 60 { // two messages for the chat
			o.put(fmt.Sprintf("c%02d/1", i), notify.ChannelAddress("chat"))
		}
		o.put("m/1", "ann@example.com")
		o.put("o/1", notify.ChannelAddress("other"))
		o.works(30*time.Second, o.store)
		o.want("m/1 to ann@example.com: [m/1]")
		if got := other.log(); len(got) != 1 || got[0] != "o/1 to channel:other: [o/1]" {
			t.Errorf("the other chat got %q", got)
		}
		if len(chat.tried) != 1 {
			t.Errorf("the chat that is down was asked %d times at once", len(chat.tried))
		}
		if c := o.pending(); c.Failed != 60 || c.Fresh != 0 {
			t.Errorf("%+v", c)
		}
		chat.fail = nil
		o.works(2*time.Minute, o.store)
		if c := o.pending(); c.Failed+c.Fresh != 0 {
			t.Errorf("after the outage: %+v", c)
		}
	})
}

func TestAChannelThatIsGoneIsNobody(t *testing.T) {
	ways := notify.Channels{ByName: map[string]notify.Sender{"chat": &postman{}}}
	for address, want := range map[string]string{"channel:chat": "channel:chat", "channel:gone": "", "ann@example.com": ""} {
		if got := ways.Of(address); got != want {
			t.Errorf("%s goes to %q, want %q", address, got, want)
		}
		err := ways.Send(t.Context(), notify.Message{To: address})
		if (err == nil) != (want != "") || err != nil && !strings.Contains(err.Error(), address) {
			t.Errorf("%s: %v", address, err)
		}
	}
	if notify.CheckAddress(notify.ChannelAddress("chat")) == nil {
		t.Error("a contact could pass for a channel")
	}
}
