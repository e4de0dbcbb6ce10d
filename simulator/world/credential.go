package world

import (
	"context"
	"time"

	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/simulator/oracle"
)

// credential is a credential and its consumers.
type credential struct {
	spec      *Credential
	acc       *account
	id        rotator.CredentialID
	consumers []*consumer
	untold    map[string]bool // keys that people made where keys are not listed: the daemon cannot know of them
}

func (c *credential) location() string { return c.id.String() }

// consumer uses a credential. It begins with the key that a person gave it.
type consumer struct {
	spec    Consumer
	next    time.Time
	secret  string
	key     string
	readAt  time.Time
	unlucky bool // what it holds is old because it found its place in disorder
}

func (w *World) addCredential(spec *Credential) error {
	a := w.accounts[spec.Account]
	user, err := a.sys.addUser(spec.User, spec.Email)
	if err != nil {
		return err
	}
	created := w.now().Add(-spec.Age)
	var expires time.Time
	if spec.Lifetime > 0 {
		expires = created.Add(spec.Lifetime)
	}
	secret, err := a.sys.addKey(user, spec.Base, created, expires)
	if err != nil {
		return err
	}
	c := &credential{spec: spec, acc: a, id: rotator.CredentialID{Provider: a.spec.Name, UserID: user, Base: spec.Base}}
	key := a.keyID(user, spec.Base)
	a.seen[user] = map[string]bool{spec.Base: false}
	w.oracle.Existing(oracle.Key{ID: key, Credential: c.id.String(), User: a.spec.Name + "/" + user, Name: spec.Base, Made: created})
	w.knows(secret, key)
	for i, k := range spec.Consumers {
		c.consumers = append(c.consumers, &consumer{spec: k, next: w.now().Add(w.chance.latency(key) * time.Duration(i+1)), secret: secret, key: key, readAt: w.now()})
	}
	w.creds = append(w.creds, c)
	return nil
}

// consume lets each consumer whose time has come use its key, and returns when the next one will.
func (w *World) consume() time.Time {
	now := w.now()
	next := now.Add(30 * day1)
	for _, c := range w.creds {
		for _, k := range c.consumers {
			if !k.next.After(now) {
				w.useOnce(c, k, now)
				k.next = k.next.Add(k.spec.Every)
				if k.next.Before(now) {
					k.next = now.Add(k.spec.Every)
				}
			}
			if k.next.Before(next) {
				next = k.next
			}
		}
	}
	return next
}

func (w *World) useOnce(c *credential, k *consumer, now time.Time) {
	if now.Sub(k.readAt) >= k.spec.Cache {
		w.refresh(c, k, now)
	}
	err := use(context.Background(), c.acc.consumers, c.id.UserID, k.secret)
	if err != nil && !k.unlucky {
		w.tell("consumer", "of %s is refused with key %s: %v", c.id, k.key, err)
	}
	if err == nil || rotator.KindOf(err) == rotator.Denied && !k.unlucky {
		w.oracle.Used(k.key, err == nil, k.spec.Patient, w.now())
	}
	if err != nil { // it looks for a better key at once
		w.refresh(c, k, now)
	}
}

// refresh reads the sink. Where nothing is there, the consumer goes on with what it has.
func (w *World) refresh(c *credential, k *consumer, now time.Time) {
	i, ok := w.sinks[k.spec.Sink].read(c.location(), now)
	if ok && (i.secret == "" || i.spoiled) {
		k.unlucky = true
		return
	}
	k.readAt, k.unlucky = now, false
	if ok {
		k.secret, k.key = i.secret, w.keyOf(i.secret)
	}
}
