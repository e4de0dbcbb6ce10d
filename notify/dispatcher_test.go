package notify_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"

	"github.com/rotatord/rotatord/notify"
	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/rotator/journal"
)

// postman is a sender that remembers, and fails as told.
type postman struct {
	// fail, if set, says how an attempt ends.
	fail func(ctx context.Context, m notify.Message) error

	mu    sync.Mutex
	tried []notify.Message
	at    []time.Time
}

func (p *postman) Send(ctx context.Context, m notify.Message) error {
	p.mu.Lock()
	p.tried, p.at = append(p.tried, m), append(p.at, time.Now())
	p.mu.Unlock()
	if p.fail == nil {
		return nil
	}
	return p.fail(ctx, m)
}

// log is each attempt: the message, to whom, and the notices.
func (p *postman) log() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []string
	for _, m := range p.tried {
		var ids []string
		for _, n := range m.Notices {
			ids = append(ids, n.ID)
		}
		out = append(out, fmt.Sprintf("%s to %s: %v", m.ID, m.To, ids))
	}
	return out
}

// office is an outbox, and what works on it.
type office struct {
	t       *testing.T
	path    string
	store   *journal.Store
	postman *postman
	route   notify.Route
	counts  map[notify.Result]int
	n       int
}

func newOffice(t *testing.T) *office {
	o := &office{t: t, path: filepath.Join(t.TempDir(), "rotatord.db"), postman: &postman{}, counts: map[notify.Result]int{}}
	o.route = notify.Route{Sender: o.postman, Recipient: func(to string) string { return to }, Gather: 2 * time.Minute}
	o.open()
	return o
}

func (o *office) open() {
	o.t.Helper()
	var err error
	if o.store, err = journal.Open(o.t.Context(), o.path, journal.Options{}); err != nil {
		o.t.Fatal(err)
	}
}

func (o *office) close() {
	o.t.Helper()
	if err := o.store.Close(); err != nil {
		o.t.Fatal(err)
	}
}

// put puts a notice into the outbox, as a commit does.
func (o *office) put(id, to string) { o.putAt(id, to, time.Now()) }

func (o *office) putAt(id, to string, at time.Time) {
	o.t.Helper()
	o.n++
	c := rotator.CredentialID{Provider: "cc", UserID: fmt.Sprint(o.n), Base: "ci"}
	change := rotator.Plan(id, rotator.Rotation{CredentialID: c, Version: 1}, time.Now(), "planned")
	change.Notices = []rotator.Notice{{ID: id, At: at, Kind: rotator.NoticeReplaced, To: to, CredentialID: c, Rotation: id}}
	if err := o.store.Commit(o.t.Context(), change); err != nil {
		o.t.Fatal(err)
	}
}

// works runs a dispatcher for a span of time.
func (o *office) works(d time.Duration, outbox rotator.Outbox) {
	o.t.Helper()
	ctx, cancel := context.WithCancel(o.t.Context())
	done := make(chan struct{})
	var mu sync.Mutex
	w := notify.New(notify.Options{Outbox: outbox, Log: zap.NewNop(), Drain: 10 * time.Second, Counted: func(r notify.Result, n int) {
		mu.Lock()
		defer mu.Unlock()
		o.counts[r] += n
	}})
	w.Use(&o.route)
	go func() { w.Run(ctx); close(done) }()
	<-time.After(d)
	cancel()
	<-done
}

func (o *office) want(log ...string) {
	o.t.Helper()
	if got := o.postman.log(); !slices.Equal(got, log) {
		o.t.Errorf("sent %q, want %q", got, log)
	}
}

func (o *office) pending() rotator.NoticeCounts {
	o.t.Helper()
	c, err := o.store.CountNotices(o.t.Context())
	if err != nil {
		o.t.Fatal(err)
	}
	return c
}

func bubble(t *testing.T, run func(t *testing.T, o *office)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(t)
		run(t, o)
		o.close()
	})
}

func TestOneMessageForWhatComesTogether(t *testing.T) {
	bubble(t, func(t *testing.T, o *office) {
		o.put("a/1", "ann@example.com")
		o.put("b/1", "bob@example.com")
		<-time.After(time.Minute)
		o.put("c/1", "ann@example.com")
		o.works(30*time.Second, o.store)
		o.want() // others may still come
		o.works(2*time.Minute, o.store)
		o.want("a/1 to ann@example.com: [a/1 c/1]", "b/1 to bob@example.com: [b/1]")
		if c := o.pending(); c != (rotator.NoticeCounts{}) {
			t.Errorf("still there: %+v", c)
		}
		if o.counts[notify.Sent] != 3 {
			t.Errorf("counted %v", o.counts)
		}
	})
}

func TestManyNoticesMakeSeveralMessages(t *testing.T) {
	bubble(t, func(t *testing.T, o *office) {
		for i := range 120 {
			o.put(fmt.Sprintf("r%03d/1", i), "ann@example.com")
		}
		o.works(3*time.Minute, o.store)
		var sizes []int
		seen := map[string]int{}
		for _, m := range o.postman.tried {
			sizes = append(sizes, len(m.Notices))
			for _, n := range m.Notices {
				seen[n.ID]++
			}
		}
		if !slices.Equal(sizes, []int{50, 50, 20}) || len(seen) != 120 {
			t.Errorf("messages of %v notices, %d different ones", sizes, len(seen))
		}
	})
}

// TestRetriesBecomeRareAndNeverEnd: often at first, a quarter of an hour apart on the first day, an hour from then on.
func TestRetriesBecomeRareAndNeverEnd(t *testing.T) {
	bubble(t, func(t *testing.T, o *office) {
		o.postman.fail = func(context.Context, notify.Message) error { return errors.New("no such mailbox") }
		o.put("a/1", "ann@example.com")
		o.works(49*time.Hour, o.store)
		var gaps []time.Duration
		for i := 1; i < len(o.postman.at); i++ {
			gaps = append(gaps, o.postman.at[i].Sub(o.postman.at[i-1]).Round(time.Minute))
		}
		first := []time.Duration{time.Minute, 2 * time.Minute, 4 * time.Minute, 8 * time.Minute, 15 * time.Minute}
		if len(gaps) < 100 || !slices.Equal(gaps[:5], first) || gaps[len(gaps)-1] != time.Hour {
			t.Errorf("gaps %v", gaps)
		}
		onTheSecondDay := 0
		for _, at := range o.postman.at {
			if at.Sub(o.postman.at[0]) > 25*time.Hour {
				onTheSecondDay++
			}
		}
		if onTheSecondDay > 24 {
			t.Errorf("%d attempts on the second day", onTheSecondDay)
		}
		if c := o.pending(); c.Failed != 1 || c.Fresh != 0 {
			t.Errorf("%+v", c)
		}
		o.postman.fail = nil
		o.works(2*time.Hour, o.store)
		if c := o.pending(); c.Failed != 0 {
			t.Errorf("after the recovery: %+v", c)
		}
	})
}

func TestOneRecipientStandsInNobodysWay(t *testing.T) {
	bubble(t, func(t *testing.T, o *office) {
		o.postman.fail = func(_ context.Context, m notify.Message) error {
			if m.To == "ann@example.com" {
				return errors.New("550 nobody here")
			}
			return nil
		}
		o.put("a/1", "ann@example.com")
		o.put("b/1", "bob@example.com")
		o.works(150*time.Second, o.store)
		o.want("a/1 to ann@example.com: [a/1]", "b/1 to bob@example.com: [b/1]")
		if c := o.pending(); c.Failed != 1 || c.Fresh != 0 {
			t.Errorf("%+v", c)
		}
	})
}

// TestAnOutageIsMetOnce: a server that is down is not called once for each recipient.
func TestAnOutageIsMetOnce(t *testing.T) {
	bubble(t, func(t *testing.T, o *office) {
		o.postman.fail = func(context.Context, notify.Message) error {
			return fmt.Errorf("%w: connection refused", notify.ErrOutage)
		}
		for i := range 20 {
			o.put(fmt.Sprintf("r%02d/1", i), fmt.Sprintf("p%02d@example.com", i))
		}
		o.works(125*time.Second, o.store)
		if got := len(o.postman.tried); got != 1 {
			t.Errorf("the server was called %d times", got)
		}
		if c := o.pending(); c.Failed != 20 {
			t.Errorf("%+v", c)
		}
		o.postman.fail = nil
		o.works(2*time.Minute, o.store)
		if c := o.pending(); c != (rotator.NoticeCounts{}) {
			t.Errorf("after the outage: %+v", c)
		}
	})
}

// forgetful is an outbox that loses its process at a moment: from then on nothing is written.
type forgetful struct {
	rotator.Outbox
}

var errCrashed = errors.New("the process is gone")

func (forgetful) NoticesSent(context.Context, []string) error { return errCrashed }

func (forgetful) NoticesFailed(context.Context, []string, string, time.Time) error { return errCrashed }

// TestCrashBetweenSendingAndMarking sends twice, as the same message, although more has come for the recipient since.
func TestCrashBetweenSendingAndMarking(t *testing.T) {
	bubble(t, func(t *testing.T, o *office) {
		o.put("a/1", "ann@example.com")
		o.put("b/1", "ann@example.com")
		<-time.After(2 * time.Minute)
		o.works(time.Second, forgetful{o.store})
		o.close()
		o.open()
		o.put("c/1", "ann@example.com")
		o.works(5*time.Minute, o.store)
		o.want("a/1 to ann@example.com: [a/1 b/1]", "a/1 to ann@example.com: [a/1 b/1]", "c/1 to ann@example.com: [c/1]")
	})
}

// TestSentOnceWhileItCannotBeNoted: a disk that is full must not fill somebody's mailbox.
func TestSentOnceWhileItCannotBeNoted(t *testing.T) {
	bubble(t, func(t *testing.T, o *office) {
		o.put("a/1", "ann@example.com")
		o.works(time.Hour, forgetful{o.store})
		o.want("a/1 to ann@example.com: [a/1]")
	})
}

// TestStopLetsTheMessageInHandGoOut, and no further one.
func TestStopLetsTheMessageInHandGoOut(t *testing.T) {
	bubble(t, func(t *testing.T, o *office) {
		o.postman.fail = func(ctx context.Context, _ notify.Message) error {
			select {
			case <-time.After(5 * time.Second):
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		o.put("a/1", "ann@example.com")
		o.put("b/1", "bob@example.com")
		<-time.After(2 * time.Minute)
		o.works(time.Second, o.store)
		o.want("a/1 to ann@example.com: [a/1]")
		if c := o.pending(); c.Fresh != 1 {
			t.Errorf("%+v", c)
		}
	})
}

// TestStopCutsOffAMessageThatHangs: it is fresh at the next start, because nobody knows what became of it.
func TestStopCutsOffAMessageThatHangs(t *testing.T) {
	bubble(t, func(t *testing.T, o *office) {
		o.postman.fail = func(ctx context.Context, _ notify.Message) error {
			<-ctx.Done()
			return ctx.Err()
		}
		o.put("a/1", "ann@example.com")
		<-time.After(2 * time.Minute)
		begin := time.Now()
		o.works(time.Second, o.store)
		if took := time.Since(begin); took > 12*time.Second {
			t.Errorf("the stop took %s", took)
		}
		if c := o.pending(); c.Fresh != 1 || c.Failed != 0 {
			t.Errorf("%+v", c)
		}
	})
}

// TestRecipientsOfNow: who may be written to can change while a notice waits.
func TestRecipientsOfNow(t *testing.T) {
	bubble(t, func(t *testing.T, o *office) {
		o.route.Recipient = func(to string) string {
			return map[string]string{"bob@example.com": "team@example.com", "eve@example.net": ""}[to]
		}
		o.put("b/1", "bob@example.com")
		o.put("e/1", "eve@example.net")
		o.works(3*time.Minute, o.store)
		o.want("b/1 to team@example.com: [b/1]")
		if c := o.pending(); c != (rotator.NoticeCounts{}) || o.counts[notify.Dropped] != 1 {
			t.Errorf("%+v, %v", c, o.counts)
		}
	})
}

func TestWithoutARouteNothingIsLost(t *testing.T) {
	bubble(t, func(t *testing.T, o *office) {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		d := notify.New(notify.Options{Outbox: o.store})
		go func() { d.Run(ctx); close(done) }()
		o.put("a/1", "ann@example.com")
		<-time.After(time.Hour)
		if c := o.pending(); c.Fresh != 1 {
			t.Errorf("%+v", c)
		}
		d.Use(&o.route) // at a reload: at once, not at the next look
		synctest.Wait()
		o.want("a/1 to ann@example.com: [a/1]")
		cancel()
		<-done
	})
}

// unreadable is an outbox that fails for a while.
type unreadable struct {
	rotator.Outbox
	until time.Time
}

func (u unreadable) DueNotices(ctx context.Context, now time.Time, limit int) ([]rotator.Notice, error) {
	if now.Before(u.until) {
		return nil, errors.New("the disk is away")
	}
	return u.Outbox.DueNotices(ctx, now, limit)
}

func TestAnOutboxThatFailsIsReadAgain(t *testing.T) {
	bubble(t, func(t *testing.T, o *office) {
		o.put("a/1", "ann@example.com")
		o.works(5*time.Minute, unreadable{o.store, time.Now().Add(3 * time.Minute)})
		o.want("a/1 to ann@example.com: [a/1]")
	})
}

// TestNoticesOfAClockThatWasAhead are told as soon as the clock is right, whether they had been tried or not.
func TestNoticesOfAClockThatWasAhead(t *testing.T) {
	bubble(t, func(t *testing.T, o *office) {
		o.putAt("fresh", "ann@example.com", time.Now().AddDate(0, 1, 0))
		o.put("tried", "bob@example.com")
		if err := o.store.NoticesFailed(t.Context(), []string{"tried"}, "no", time.Now().AddDate(0, 1, 0)); err != nil {
			t.Fatal(err)
		}
		o.works(3*time.Minute, o.store)
		if c := o.pending(); c.Fresh+c.Failed != 0 {
			t.Errorf("%+v are not told yet; sent: %q", c, o.postman.log())
		}
	})
}
