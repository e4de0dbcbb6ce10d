package engine

import (
	"context"
	"path"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/rotatord/rotatord/rotator"
)

// Bounds of a verification.
const (
	verifyPage    = 500 // credentials that are read from the journal at once
	verifyWorkers = 4   // credentials of one provider that are looked at at the same time
	verifyBatch   = 100 // findings that are stored together
)

// Verify reads back every sink of the credentials that q selects, and tries at its provider what it reads there. It changes
// nothing but what the journal keeps of the findings, and one runs at a time. A paused provider is not called, nor is a sink or
// a provider any further that does not answer several times in a row.
func (e *Engine) Verify(ctx context.Context, q rotator.VerifyQuery, p rotator.VerifyProgress) error {
	const op = "verify"
	for _, pattern := range []string{q.Provider, q.User, q.Base} {
		if _, err := path.Match(pattern, ""); err != nil {
			return rotator.NewFault(op, rotator.Invalid, "the pattern %q is malformed: %w; close every [ and end no pattern with a backslash", pattern, err)
		}
	}
	if !e.verifying.TryLock() {
		return rotator.NewFault(op, rotator.Conflict, "a verification is under way already; wait for its end")
	}
	defer e.verifying.Unlock()
	total, err := e.countToVerify(ctx, q)
	if err != nil {
		return err
	}
	if err := p.Total(total); err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	v := &verifier{e: e, q: q, found: make(chan rotator.Verification), sinks: newDespair()}
	var walks sync.WaitGroup
	for _, a := range e.verifiable(q.Provider) {
		walks.Add(1)
		group.Go(func() error {
			defer walks.Done()
			return v.walk(ctx, a)
		})
	}
	group.Go(func() error { walks.Wait(); close(v.found); return nil })
	group.Go(func() error { return v.collect(ctx, p) })
	return group.Wait()
}

// verifiable returns the accounts whose names match.
func (e *Engine) verifiable(pattern string) []*account {
	var all []*account
	for _, conf := range e.setup.Load().Accounts {
		if a, ok := e.account(conf.Name); ok && globbed(pattern, a.name) {
			all = append(all, a)
		}
	}
	return all
}

func globbed(pattern string, values ...string) bool {
	if pattern == "" {
		return true
	}
	for _, v := range values {
		if ok, err := path.Match(pattern, v); ok && err == nil {
			return true
		}
	}
	return false
}

func (e *Engine) countToVerify(ctx context.Context, q rotator.VerifyQuery) (int, error) {
	n := 0
	for _, a := range e.verifiable(q.Provider) {
		err := e.eachToVerify(ctx, a, q, func(*rotator.FleetCredential) error { n++; return nil })
		if err != nil {
			return 0, err
		}
	}
	return n, nil
}

// eachToVerify calls fn for each credential of the account that q selects and that has a key that works, as far as scans saw,
// a page at a time.
func (e *Engine) eachToVerify(ctx context.Context, a *account, q rotator.VerifyQuery, fn func(*rotator.FleetCredential) error) error {
	if q.One != (rotator.CredentialID{}) {
		return e.oneToVerify(ctx, a, q.One, fn)
	}
	at := rotator.FleetQuery{Provider: a.name, Policy: q.Policy, Limit: verifyPage}
	for {
		page, err := e.store.FleetCredentials(ctx, at, e.clock.Now())
		if err != nil {
			return err
		}
		for i := range page.Credentials {
			c := &page.Credentials[i]
			k := &c.Key
			if !mayVerify(k) || !globbed(q.User, k.UserID, c.UserName, c.UserEmail) || !globbed(q.Base, k.Base) {
				continue
			}
			if err := fn(c); err != nil {
				return err
			}
		}
		if !page.More {
			return nil
		}
		at.After = page.Credentials[len(page.Credentials)-1].Key.Credential()
	}
}

// mayVerify reports whether a policy selects the key and it works, as far as scans saw.
func mayVerify(k *rotator.TrackedKey) bool {
	return k.Policy != "" && k.State == rotator.KeyActive && k.MissingSince.IsZero()
}

// oneToVerify is eachToVerify for one credential. It reads the keys of that one.
func (e *Engine) oneToVerify(ctx context.Context, a *account, c rotator.CredentialID, fn func(*rotator.FleetCredential) error) error {
	if c.Provider != a.name {
		return nil
	}
	series, err := e.store.Series(ctx, c)
	if err != nil {
		return err
	}
	current, ok := newestOf(series, rotator.KeyActive)
	if !ok || !mayVerify(&current) {
		return nil
	}
	user, err := e.store.User(ctx, c.Provider, c.UserID)
	if err != nil && rotator.KindOf(err) != rotator.Gone {
		return err
	}
	return fn(&rotator.FleetCredential{Key: current, UserName: user.Name, UserEmail: user.Email})
}

// verifier is one verification under way.
type verifier struct {
	e     *Engine
	q     rotator.VerifyQuery
	found chan rotator.Verification
	sinks *despair
}

// walk looks at the credentials of one account, several at a time.
func (v *verifier) walk(ctx context.Context, a *account) error {
	began := v.e.clock.Now()
	at := &provided{a: a, despair: newDespair()}
	workers, working := errgroup.WithContext(ctx)
	workers.SetLimit(verifyWorkers)
	err := v.e.eachToVerify(working, a, v.q, func(c *rotator.FleetCredential) error {
		workers.Go(func() error {
			found, err := v.look(working, at, c)
			if err != nil {
				return err
			}
			select {
			case v.found <- found:
				return nil
			case <-working.Done():
				return working.Err()
			}
		})
		return working.Err()
	})
	if failed := workers.Wait(); failed != nil {
		err = failed // what cut the walk short
	}
	if err != nil || v.q.Partial() {
		return err
	}
	return v.e.store.ForgetVerifications(ctx, a.name, began)
}

// collect tells of what was found, and stores it.
func (v *verifier) collect(ctx context.Context, p rotator.VerifyProgress) error {
	var batch []rotator.Verification
	flush := func() error {
		if len(batch) == 0 {
			return nil
		}
		err := v.e.store.SaveVerifications(context.WithoutCancel(ctx), batch)
		batch = batch[:0]
		return err
	}
	for {
		select {
		case <-ctx.Done():
			_ = flush() // the reason why it ends early is told, and is graver
			return ctx.Err()
		case found, more := <-v.found:
			if !more {
				return flush()
			}
			if batch = append(batch, found); len(batch) == verifyBatch {
				if err := flush(); err != nil {
					return err
				}
			}
			if err := p.Verified(found); err != nil {
				_ = flush() // as above
				return err
			}
		}
	}
}

// despair notes what does not answer: what did not several times in a row is not asked any more, so that a verification of
// many credentials does not wait for each of them.
type despair struct {
	mu   sync.Mutex
	runs map[string]int
}

// hopeless is how many silences in a row it takes.
const hopeless = 5

func newDespair() *despair { return &despair{runs: map[string]int{}} }

func (d *despair) of(name string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.runs[name] >= hopeless
}

func (d *despair) note(name string, answered bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case answered && d.runs[name] < hopeless:
		d.runs[name] = 0
	case !answered:
		d.runs[name]++
	}
}

// provided is an account while it is verified.
type provided struct {
	*despair
	a *account

	mu   sync.Mutex
	calm time.Time // until when it asked for patience
}

// await returns when the provider may be called.
func (p *provided) await(ctx context.Context) error {
	for {
		p.mu.Lock()
		wait := time.Until(p.calm)
		p.mu.Unlock()
		if wait <= 0 {
			return ctx.Err()
		}
		t := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			t.Stop()
			return ctx.Err()
		case <-t.C:
		}
	}
}

// quieten keeps all workers from calling for a while.
func (p *provided) quieten(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if until := time.Now().Add(d); until.After(p.calm) {
		p.calm = until
	}
}
