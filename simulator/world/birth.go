package world

import (
	"container/heap"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/rotatord/rotatord/rotator"
)

// birth is a service user that the configuration comes to declare, and that the daemon makes.
type birth struct {
	spec     *Credential
	acc      *account
	declared bool
	// users are the ids of those that were made for it: one, unless a daemon that had lost the account came late.
	users []string
	// cred is what it is once the world knows of it.
	cred *credential
}

// label is what the declaration is known by.
func (b *birth) label() string { return b.spec.User }

func (b *birth) String() string { return b.acc.spec.Name + "/" + b.label() }

// declare has every daemon read a configuration that declares one service user more.
func (w *World) declare(target int) {
	for _, b := range w.births {
		if b.spec == &w.s.Credentials[target] && !b.declared {
			b.declared = true
			w.happened(string(Declare))
			w.tell("person", "declares service user %s", b)
			w.reload()
		}
	}
}

// declarations are the service users that the configuration declares at an account.
func (w *World) declarations(a *account) (list []rotator.DeclaredUser) {
	for _, b := range w.births {
		if b.acc == a && b.declared {
			list = append(list, rotator.DeclaredUser{Provider: a.spec.Name, Label: b.label(), Spec: a.sys.declaration(b.label()), Credential: b.spec.Base})
		}
	}
	return list
}

// labelOf is the label of the declaration that a specification is of; empty for none.
func (a *account) labelOf(s rotator.UserSpec) string {
	for _, b := range a.w.births {
		d := a.sys.declaration(b.label())
		if b.acc == a && d.Name == s.Name && d.Email == s.Email && d.LoginID == s.LoginID {
			return b.label()
		}
	}
	return ""
}

// bear notes the service users that a create call has made, and tells the oracle of them and of the keys that came with them.
func (a *account) bear(label string, who by, sent time.Time) {
	for _, b := range a.w.births {
		if b.acc != a || b.label() != label {
			continue
		}
		for _, id := range a.sys.usersOf(label) {
			a.mu.Lock()
			known := slices.Contains(b.users, id)
			if !known {
				b.users = append(b.users, id)
			}
			a.mu.Unlock()
			if known {
				continue
			}
			a.w.happened("born")
			a.w.tell("provider", "makes service user %s for %s", id, b)
			a.w.oracle.Born(a.spec.Name, label, who.late, a.w.daemonNow())
			who.born = true
			a.settle(about{user: id}, who, sent)
		}
	}
}

// ids are of those that were made for it so far.
func (b *birth) ids() []string {
	b.acc.mu.Lock()
	defer b.acc.mu.Unlock()
	return slices.Clone(b.users)
}

// welcome lets the world's people and consumers know of the service users that there are now.
func (w *World) welcome() {
	for _, b := range w.births {
		ids := b.ids()
		if len(ids) == 0 || b.cred != nil {
			continue
		}
		b.cred = &credential{spec: b.spec, acc: b.acc, id: rotator.CredentialID{Provider: b.acc.spec.Name, UserID: ids[0], Base: b.spec.Base}}
		w.creds = append(w.creds, b.cred)
		for _, k := range b.spec.Consumers {
			w.employ(b.cred, &consumer{spec: k, next: w.now()})
		}
	}
}

// employ puts a consumer to work.
func (w *World) employ(c *credential, k *consumer) {
	c.consumers = append(c.consumers, k)
	heap.Push(&w.shifts, shift{c, k, len(w.shifts)})
}

// judgeBirths looks, after a long calm, whether each declared service user is there and its key in its places.
func (w *World) judgeBirths() {
	for _, b := range w.births {
		ids := b.ids()
		switch {
		case !b.declared || len(ids) > 1: // two of them are for a person to tell apart
		case len(ids) == 0:
			w.oracle.Stuck(b.String(), "the service user was declared and is not there"+w.trouble(b), w.daemonNow())
		default:
			for _, at := range w.placesOf(b.cred) {
				if key, _ := w.Holds(at); !w.Works(key) {
					w.oracle.Stuck(b.cred.id.String(), fmt.Sprintf("the service user %s was declared, and sink %s holds no key of it that works%s", b, at.Sink, w.trouble(b)), w.daemonNow())
				}
			}
		}
	}
}

// trouble is what the daemon's page says of a declared service user.
func (w *World) trouble(b *birth) string {
	l := w.anybody()
	if l == nil {
		return ""
	}
	known, err := l.store.Provisions(background(), b.acc.spec.Name)
	if err != nil {
		return ": " + err.Error()
	}
	for _, p := range known {
		if p.Label == b.label() {
			return fmt.Sprintf(": it is %s, %s", p.State, p.Trouble)
		}
	}
	return ": the page does not show it"
}

// SaveProvision implements [rotator.Provisions].
func (s *store) SaveProvision(ctx context.Context, p rotator.Provision) error {
	return s.write("save provision "+string(p.State), p.Provider+"/"+p.Label, func() error {
		err := s.Store.SaveProvision(ctx, p)
		if err == nil {
			s.l.w.tell("journal", "service user %s/%s is %s %s", p.Provider, p.Label, p.State, p.Trouble)
			s.l.w.oracle.Intends(p.Provider, p.Label, p.State == rotator.ProvisionIntended)
		}
		return err
	})
}

// ForgetProvision implements [rotator.Provisions].
func (s *store) ForgetProvision(ctx context.Context, provider, label string) error {
	return s.write("forget provision", provider+"/"+label, func() error { return s.Store.ForgetProvision(ctx, provider, label) })
}
