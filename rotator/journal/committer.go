package journal

import (
	"context"
	"runtime"
	"sync"
	"time"

	"github.com/rotatord/rotatord/rotator"
)

const (
	// maxBatch bounds what one transaction takes on, and with it how long the first in it waits for its answer.
	maxBatch = 256

	// wipeAtLatest is how long a journal that is never idle may put off truncating the write-ahead log.
	wipeAtLatest = 30 * time.Second
)

// request is one caller's write.
type request struct {
	ctx context.Context
	op  string
	// run does it. It returns a [rotator.Fault] only before it has written anything, and then the transaction goes on
	// without it; after any other error the transaction is rolled back.
	run  func(w *writer) error
	done chan error
}

// committer runs writes one after the other in one goroutine, many in a transaction.
type committer struct {
	faults    faults
	wipeAfter time.Duration

	// mu lets close wait for those that are just queueing; sends happen under its read side.
	mu       sync.RWMutex
	closed   bool
	requests chan *request
	stopped  chan struct{}
	closing  sync.Once
	closeErr error

	// All below belongs to the goroutine.
	w *writer
	// wipeBy is when the log has to be truncated at the latest; zero when there is nothing in it to wipe.
	wipeBy time.Time
	// idle fires wipeAfter after the latest batch.
	idle *time.Timer
}

func startCommitter(w *writer, f faults, wipeAfter time.Duration) *committer {
	c := &committer{
		faults: f, wipeAfter: wipeAfter,
		requests: make(chan *request, maxBatch),
		stopped:  make(chan struct{}),
		w:        w,
		idle:     time.NewTimer(wipeAfter),
		// The process before this one may have died between erasing a secret and wiping it.
		wipeBy: time.Now().Add(wipeAtLatest),
	}
	go c.loop()
	return c
}

// write queues run and waits for its true outcome. Only when ctx ends first is the outcome open: what was queued may
// have been committed, or may be a moment later. A request whose ctx has ended before its turn is left out.
func (s *Store) write(ctx context.Context, op string, run func(w *writer) error) error {
	r := &request{ctx: ctx, op: op, run: run, done: make(chan error, 1)}
	if err := s.committer.enqueue(r); err != nil {
		return s.faults.of(op, err)
	}
	select {
	case err := <-r.done:
		return err
	case <-ctx.Done():
	}
	select {
	case err := <-r.done:
		return err
	default:
		return s.faults.of(op, ctx.Err())
	}
}

func (c *committer) enqueue(r *request) error {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if c.closed {
		return errClosed
	}
	select {
	case c.requests <- r:
		return nil
	case <-r.ctx.Done():
		return r.ctx.Err()
	}
}

func (c *committer) loop() {
	defer close(c.stopped)
	var batch []*request
	for open := true; open; {
		batch, open = c.collect(batch[:0])
		if len(batch) == 0 {
			continue
		}
		c.runBatch(batch)
		clear(batch)
		c.planWipe()
	}
	c.finish()
}

// collect waits for a request and takes along what else is queued. It never waits for more to come; it only lets run who
// is about to queue, because the callers of the batch before are the likeliest to be just that.
func (c *committer) collect(batch []*request) (_ []*request, open bool) {
	select {
	case r, ok := <-c.requests:
		if !ok {
			return batch, false
		}
		batch = append(batch, r)
	case <-c.idle.C:
		c.rest()
		return batch, true
	}
	runtime.Gosched()
	for len(batch) < maxBatch {
		select {
		case r, ok := <-c.requests:
			if !ok {
				return batch, false
			}
			batch = append(batch, r)
		default:
			return batch, true
		}
	}
	return batch, true
}

// runBatch commits the batch in one transaction and answers everybody in it. When one request breaks the transaction,
// each runs in a transaction of its own, so that only the one that did it fails.
func (c *committer) runBatch(batch []*request) {
	answers := make([]error, len(batch))
	err := c.w.transact(func() error {
		for i, r := range batch {
			answers[i] = c.runOne(r)
			if answers[i] != nil && !isRefusal(answers[i]) {
				return answers[i]
			}
		}
		return nil
	})
	switch {
	case err == nil:
		for i, r := range batch {
			r.done <- answers[i]
		}
	case len(batch) > 1 && concernsOne(err):
		for _, r := range batch {
			r.done <- c.faults.of(r.op, c.w.transact(func() error { return c.runOne(r) }))
		}
	default:
		c.w.erased = true // what a failed commit left in the log must not come back after a power cut
		for _, r := range batch {
			r.done <- c.faults.of(r.op, err)
		}
	}
}

func (c *committer) runOne(r *request) error {
	if err := r.ctx.Err(); err != nil {
		return c.faults.of(r.op, err)
	}
	recorded := len(c.w.chain.events)
	err := c.runFenced(r)
	if err != nil {
		c.w.chain.events = c.w.chain.events[:recorded] // what was refused did not happen
	}
	return err
}

// runFenced runs what was asked for under a lease only while that is in force.
func (c *committer) runFenced(r *request) error {
	if l, leased := rotator.LeaseOf(r.ctx); leased {
		if err := c.w.fence(r.op, l); err != nil {
			return err
		}
	}
	return r.run(c.w)
}

// planWipe puts the wipe off while work comes in, but not beyond wipeBy.
func (c *committer) planWipe() {
	now := time.Now()
	if c.w.erased && c.wipeBy.IsZero() {
		c.wipeBy = now.Add(wipeAtLatest)
	}
	c.w.erased = false
	if !c.wipeBy.IsZero() && now.After(c.wipeBy) {
		c.wipe()
	}
	c.idle.Reset(c.wipeAfter)
}

// rest is what is done when nobody asks for anything: secrets are wiped, and the memory that the work took is given back.
func (c *committer) rest() {
	if !c.wipeBy.IsZero() {
		c.wipe()
	}
	if !c.wipeBy.IsZero() {
		c.idle.Reset(c.wipeAfter)
	}
	c.w.shrink()
}

// wipe truncates the log. When a reader or the disk is in the way it is tried again later: nothing is lost meanwhile, and
// a disk in trouble shows itself at the next commit.
func (c *committer) wipe() {
	c.wipeBy = time.Time{}
	if done, err := c.w.truncateLog(); err != nil || !done {
		c.wipeBy = time.Now().Add(wipeAtLatest)
	}
}

func (c *committer) finish() {
	c.idle.Stop()
	_, _ = c.w.truncateLog() // closing the last connection removes the log as well
	c.closeErr = c.w.close()
}

// close refuses new requests, waits for the queued ones and gives the connection back.
func (c *committer) close() error {
	c.closing.Do(func() {
		c.mu.Lock()
		c.closed = true
		c.mu.Unlock()
		close(c.requests)
		<-c.stopped
	})
	return c.closeErr
}
