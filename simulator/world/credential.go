package world

import (
	"container/heap"
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
		w.employ(c, &consumer{spec: k, next: w.now().Add(w.chance.latency(key) * time.Duration(i+1)), secret: secret, key: key, readAt: w.now()})
	}
	w.creds = append(w.creds, c)
	return nil
}

// shift is a consumer's place in the queue of those who will use their key. Of those at the same time the one that was made first comes
// first, so that a run can be played again.
type shift struct {
	c     *credential
	k     *consumer
	order int
}

type shifts []shift

func (q shifts) Len() int      { return len(q) }
func (q shifts) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q shifts) Less(i, j int) bool {
	if a, b := q[i].k.next, q[j].k.next; !a.Equal(b) {
		return a.Before(b)
	}
	return q[i].order < q[j].order
}

// Push implements [heap.Interface].
func (q *shifts) Push(x any) {
	if s, ok := x.(shift); ok { // nothing else is pushed
		*q = append(*q, s)
	}
}

// Pop implements [heap.Interface].
func (q *shifts) Pop() any {
	last := (*q)[len(*q)-1]
	*q = (*q)[:len(*q)-1]
	return last
}

// consume lets each consumer whose time has come use its key, and returns when the next one will.
func (w *World) consume() time.Time {
	now := w.now()
	for len(w.shifts) > 0 && !w.shifts[0].k.next.After(now) {
		c, k := w.shifts[0].c, w.shifts[0].k
		w.useOnce(c, k, now)
		k.next = k.next.Add(k.spec.Every)
		if !k.next.After(now) {
			k.next = now.Add(k.spec.Every)
		}
		heap.Fix(&w.shifts, 0)
	}
	if len(w.shifts) == 0 {
		return now.Add(30 * day1)
	}
	return w.shifts[0].k.next
}

func (w *World) useOnce(c *credential, k *consumer, now time.Time) {
	if now.Sub(k.readAt) >= k.spec.Cache {
		w.refresh(c, k, now)
	}
	if k.secret == "" {
		return // it has never had one
	}
	got := use(c.acc.sys, k.secret)
	if got == refused && !k.unlucky {
		w.tell("consumer", "of %s is refused with key %s", c.id, k.key)
	}
	if got == accepted || got == refused && !k.unlucky {
		w.oracle.Used(k.key, got == accepted, k.spec.Patient, w.daemonNow())
	}
	if got != accepted { // it looks for a better key at once
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
