package notify

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/rotatord/rotatord/rotator"
)

// Message is some notices for one recipient.
type Message struct {
	// ID names the message: the ID of its first notice. It stays the same however often the message is sent, and no other
	// message bears it.
	ID string
	// To is the recipient's address.
	To string
	// Notices are in the order in which they came about; there is at least one.
	Notices []rotator.Notice
}

// Sender sends messages. Its methods are safe for concurrent use.
type Sender interface {
	// Send returns nil once the message was accepted by somebody who is responsible for it from then on. An error that
	// wraps [ErrOutage] means that no other message could be sent either; every other error is about this message alone. No
	// error holds a secret.
	Send(ctx context.Context, m Message) error
}

// ErrOutage says that a sender can send nothing to anybody at present: its server is away, or refuses its credential.
var ErrOutage = errors.New("nothing can be sent at present")

// Route is how notices are sent. It is never changed once handed over.
type Route struct {
	Sender Sender
	// Recipient returns the address that a notice for the address goes to now, which is the address itself if it is
	// allowed; empty for nobody.
	Recipient func(address string) string
	// Way names how a message travels to the address. An [ErrOutage] stands in the way of the messages of one way only. Nil
	// is one way for all.
	Way func(address string) string
	// Gather is how long a notice waits for others that go to the same recipient.
	Gather time.Duration
}

// Result is what may become of an attempt to send a notice.
type Result string

// The results.
const (
	Sent    Result = "sent"    // it was accepted
	Failed  Result = "failed"  // it stays in the outbox and is tried again
	Dropped Result = "dropped" // its recipient is not allowed any more, and nobody takes their place
)

// Results lists every result.
func Results() []Result { return []Result{Sent, Failed, Dropped} }

// Options are what a dispatcher needs for its whole life.
type Options struct {
	Outbox rotator.Outbox
	Log    *zap.Logger
	// Counted, if set, is told of every attempt and of how many notices it was about.
	Counted func(r Result, notices int)
	// Drain is how long a stop waits for the message that is being sent.
	Drain time.Duration
}

// Dispatcher takes notices from the outbox and sends them. Make one with [New].
type Dispatcher struct {
	o     Options
	route atomic.Pointer[Route]
	wake  chan struct{}

	// sent are notices that were sent and that the outbox could not be told of yet. Only Run's goroutine uses it.
	sent []string
	// hastened is when it last looked for notices that were put off by a clock that was ahead.
	hastened time.Time
}

const (
	// look is how often the outbox is looked at. It is also how late a clock that was set, or a machine that was asleep, is
	// noticed.
	look = 10 * time.Second
	// batch is how many due notices are read at a time, and most is how many go in one message.
	batch = 500
	most  = 50
)

// New makes a dispatcher that sends nothing until it has a route.
func New(o Options) *Dispatcher {
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	if o.Counted == nil {
		o.Counted = func(Result, int) {}
	}
	return &Dispatcher{o: o, wake: make(chan struct{}, 1)}
}

// Use puts a route in force; nil sends nothing, and what is in the outbox stays there.
func (d *Dispatcher) Use(r *Route) {
	d.route.Store(r)
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// Run sends what is due until ctx ends, then lets the message in hand come to an end, at most for the drain time. What was
// cut off is sent again at the next start.
func (d *Dispatcher) Run(ctx context.Context) {
	hard, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(d.o.Drain, cut) })()
	tick := time.NewTicker(look)
	defer tick.Stop()
	for ctx.Err() == nil {
		if err := d.pass(ctx, hard); err != nil && ctx.Err() == nil {
			d.o.Log.Error("the outbox of notices cannot be read or written; nobody is told anything until it can", zap.Error(err))
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		case <-d.wake:
		}
	}
}

// pass sends what is due now. ctx stops it between two messages, hard in the middle of one.
func (d *Dispatcher) pass(ctx, hard context.Context) error {
	if err := d.mark(hard); err != nil {
		return err // nothing is sent while it cannot be noted: it would be sent over and over
	}
	r := d.route.Load()
	if r == nil {
		return nil
	}
	now := time.Now()
	if now.Sub(d.hastened).Abs() >= patientRetry/4 {
		if err := d.o.Outbox.HastenNotices(ctx, now.Add(2*patientRetry), now); err != nil {
			return err
		}
		d.hastened = now
	}
	due, err := d.o.Outbox.DueNotices(ctx, now, batch)
	if err != nil {
		return err
	}
	due, err = d.readdress(hard, r, due)
	if err != nil {
		return err
	}
	return d.sendAll(ctx, hard, r, assemble(due, now, r.Gather))
}

// sendAll sends messages one after the other, and puts off those whose way turned out to be closed.
func (d *Dispatcher) sendAll(ctx, hard context.Context, r *Route, ready []Message) error {
	closed := map[string]error{} // by way
	for i := 0; i < len(ready) && ctx.Err() == nil; i++ {
		way := r.way(ready[i].To)
		if trouble := closed[way]; trouble != nil {
			if err := d.fail(hard, ready[i:i+1], trouble); err != nil {
				return err
			}
			continue
		}
		outage, err := d.send(hard, r.Sender, ready[i])
		if err != nil {
			return err
		}
		closed[way] = outage
	}
	return nil
}

func (r *Route) way(address string) string {
	if r.Way == nil {
		return ""
	}
	return r.Way(address)
}

// readdress gives each notice the recipient that it has now, because who may be written to can have changed since it was
// written. What has none is dropped.
func (d *Dispatcher) readdress(ctx context.Context, r *Route, due []rotator.Notice) ([]rotator.Notice, error) {
	kept := due[:0]
	var dropped []string
	for _, n := range due {
		to := r.Recipient(n.To)
		if to == "" {
			d.o.Log.Warn("a notice is not sent: its recipient is not allowed any more and there is no fallback",
				zap.String("notice", n.ID), zap.String("kind", string(n.Kind)), zap.String("to", n.To))
			dropped = append(dropped, n.ID)
			continue
		}
		n.To = to
		kept = append(kept, n)
	}
	if len(dropped) == 0 {
		return kept, nil
	}
	d.o.Counted(Dropped, len(dropped))
	return kept, d.o.Outbox.NoticesSent(ctx, dropped)
}

// send sends one message and records what became of it. The outage is an error that stands in the way of all others too;
// the error is the outbox's.
func (d *Dispatcher) send(ctx context.Context, s Sender, m Message) (outage, err error) {
	ids := idsOf(m.Notices)
	if err := d.o.Outbox.GroupNotices(ctx, m.ID, ids); err != nil {
		return nil, err
	}
	trouble := s.Send(ctx, m)
	if trouble != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err() // cut off: nobody knows what became of it, so it is sent again
		}
		if err := d.fail(ctx, []Message{m}, trouble); err != nil || !errors.Is(trouble, ErrOutage) {
			return nil, err
		}
		return trouble, nil
	}
	d.o.Counted(Sent, len(ids))
	d.o.Log.Info("a contact was told", zap.Strings("notices", ids), zap.String("to", m.To), zap.String("message", m.ID))
	d.sent = append(d.sent, ids...)
	return nil, d.mark(ctx)
}

// mark takes what was sent out of the outbox.
func (d *Dispatcher) mark(ctx context.Context) error {
	if len(d.sent) == 0 {
		return nil
	}
	err := d.o.Outbox.NoticesSent(ctx, d.sent)
	if err == nil {
		d.sent = nil
	}
	return err
}

// fail puts messages off that could not be sent.
func (d *Dispatcher) fail(ctx context.Context, messages []Message, trouble error) error {
	now := time.Now()
	for _, m := range messages {
		next := retryAt(m.Notices, now)
		d.o.Counted(Failed, len(m.Notices))
		d.o.Log.Warn("a contact could not be told and the message is tried again", zap.String("to", m.To),
			zap.Strings("notices", idsOf(m.Notices)), zap.Time("next_at", next), zap.Error(trouble))
		if err := d.o.Outbox.NoticesFailed(ctx, idsOf(m.Notices), trouble.Error(), next); err != nil {
			return err
		}
	}
	return nil
}

func idsOf(notices []rotator.Notice) []string {
	ids := make([]string, 0, len(notices))
	for _, n := range notices {
		ids = append(ids, n.ID)
	}
	return ids
}
