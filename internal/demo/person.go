package demo

import (
	"context"
	"fmt"
	"time"

	"github.com/rotatord/rotatord/emulator"
	"github.com/rotatord/rotatord/internal/client"
	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/web"
)

// takesTime is how long the person needs to get to the page.
const takesTime = 2 * time.Second

// person does in the emulated dataspot's page what the daemon asks for, and hands the new key over as rotatord supply does.
type person struct {
	page  *emulator.Dataspot
	story *story
	asked chan rotator.Rotation
}

func newPerson(page *emulator.Dataspot, s *story) *person {
	p := &person{page: page, story: s, asked: make(chan rotator.Rotation, 16)}
	s.person = p
	return p
}

// ask is called when a rotation begins to wait for a person.
func (p *person) ask(r *rotator.Rotation) {
	select {
	case p.asked <- *r:
	default: // so many were asked for already that one more makes no difference
	}
}

// work does what is asked for until ctx ends. daemon is the daemon's address.
func (p *person) work(ctx context.Context, daemon string) {
	c, err := client.New("http://" + daemon)
	if err != nil {
		p.story.tell(catalogue, "trouble", err.Error())
		return
	}
	for {
		select {
		case <-ctx.Done():
			return
		case r := <-p.asked:
			if err := p.act(ctx, c, &r); err != nil && ctx.Err() == nil {
				p.story.tell(r.Base, "trouble", "the person could not do it: "+err.Error())
			}
		}
	}
}

func (p *person) act(ctx context.Context, c *client.Client, r *rotator.Rotation) error {
	select {
	case <-ctx.Done():
		return nil
	case <-time.After(takesTime):
	}
	credential := web.Selection{Provider: r.Provider, User: r.UserID, Credential: r.Base}
	if r.Blocked == rotator.BlockAwaitingRemoval {
		if err := p.page.RemoveKeyInPage(tenant, catalogue, r.OldKey.Name); err != nil {
			return err
		}
		p.story.tell(r.Base, "person", fmt.Sprintf("removes key %s in the page and says so: rotatord removed", r.OldKey.Name))
		_, err := c.Removed(ctx, credential)
		return err
	}
	expires := time.Now().Add(keyLifetime).Truncate(time.Second)
	value, err := p.page.MakeKeyInPage(tenant, catalogue, r.NewKey.Name, expires)
	if err != nil {
		return err
	}
	p.story.tell(r.Base, "person", fmt.Sprintf("makes key %s in the page and hands it over: rotatord supply", r.NewKey.Name))
	_, err = c.Supply(ctx, credential, []byte(value), "", expires)
	return err
}
