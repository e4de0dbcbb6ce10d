package world

import (
	"context"
	"time"

	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/simulator/oracle"
)

// store is one life's journal: the real one, in which writes and reads can fail, and which tells the oracle what it acknowledged.
type store struct {
	rotator.Store
	l *life
}

// write is two points at which the daemon may die, around a write that may fail.
func (s *store) write(what, about string, do func() error) error {
	if err := s.l.point("before " + what); err != nil {
		return err
	}
	if err := s.l.cutOff(what); err != nil {
		return err
	}
	if err := s.l.w.journalFails(what, about, WriteFails); err != nil {
		return err
	}
	err := do()
	if crashed := s.l.point("after " + what); crashed != nil {
		return crashed
	}
	return err
}

// Commit implements [rotator.Journal].
func (s *store) Commit(ctx context.Context, c rotator.Change) error {
	if c.After.Blocked != "" {
		defer s.l.w.needy.Add(1)
	}
	return s.write("commit of "+string(c.After.Stage), c.After.CredentialID.String(), func() error {
		err := s.Store.Commit(ctx, c)
		if err == nil {
			s.l.w.tellSoon(c)
			s.l.w.wrote(c, s.l.name)
			if c.Then != nil {
				s.l.w.wrote(*c.Then, s.l.name)
			}
		}
		return err
	})
}

// Merge implements [rotator.Inventory].
func (s *store) Merge(ctx context.Context, provider string, users []rotator.UserRow, keys []rotator.KeyRow) error {
	return s.write("merge", provider, func() error { return s.Store.Merge(ctx, provider, users, keys) })
}

// MarkMissing implements [rotator.Inventory].
func (s *store) MarkMissing(ctx context.Context, provider string, keyIDs []string, at time.Time) error {
	return s.write("mark missing", provider, func() error { return s.Store.MarkMissing(ctx, provider, keyIDs, at) })
}

// SetLook implements [rotator.Inventory].
func (s *store) SetLook(ctx context.Context, k rotator.TrackedKey, at time.Time) error {
	return s.write("set look", k.Credential().String(), func() error {
		err := s.Store.SetLook(ctx, k, at)
		if err == nil && k.Waiting != "" {
			s.l.w.waits(k)
		}
		return err
	})
}

// SaveProviderState implements [rotator.Operations].
func (s *store) SaveProviderState(ctx context.Context, st rotator.ProviderState) error {
	if !st.AwaitingSince.IsZero() {
		defer s.l.w.needy.Add(1)
	}
	return s.write("save provider state", st.Provider, func() error { return s.Store.SaveProviderState(ctx, st) })
}

// LookAgain implements [rotator.Inventory].
func (s *store) LookAgain(ctx context.Context, provider string, reason rotator.BlockReason, at time.Time) error {
	return s.write("look again", provider, func() error { return s.Store.LookAgain(ctx, provider, reason, at) })
}

// LookEarlier implements [rotator.Inventory].
func (s *store) LookEarlier(ctx context.Context, provider string, at time.Time) error {
	return s.write("look earlier", provider, func() error { return s.Store.LookEarlier(ctx, provider, at) })
}

// Due implements [rotator.Journal].
func (s *store) Due(ctx context.Context, provider string, now time.Time, paused bool, limit int) ([]rotator.Rotation, error) {
	if err := s.read("due", provider); err != nil {
		return nil, err
	}
	return s.Store.Due(ctx, provider, now, paused, limit)
}

// HoldOn implements [rotator.Operations].
func (s *store) HoldOn(ctx context.Context, c rotator.CredentialID, now time.Time) (*rotator.Hold, error) {
	if err := s.read("hold on", c.String()); err != nil {
		return nil, err
	}
	return s.Store.HoldOn(ctx, c, now)
}

// read says why the life's journal does not answer; nil if it does.
func (s *store) read(what, about string) error {
	s.l.standStill()
	if err := s.l.cutOff(what); err != nil {
		return err
	}
	return s.l.w.journalFails(what, about, ReadFails)
}

// journalFails returns why the journal does not serve a call.
func (w *World) journalFails(what, about string, f Fault) error {
	if f == WriteFails {
		w.mu.Lock()
		full := w.now().Before(w.fullUntil)
		w.mu.Unlock()
		if full {
			return rotator.NewFault("journal "+what, rotator.Transient, "the disk is full")
		}
	}
	if struck, _ := w.chance.strikes("journal "+what+" "+about, f); struck != "" {
		w.tell("fault", "%s: %s", struck, what)
		return rotator.NewFault("journal "+what, rotator.Transient, "the disk failed")
	}
	return nil
}

// row is a change as the oracle sees it: the line that the journal has now, as data.
func row(c rotator.Change, by string) oracle.Row {
	r := &c.After
	user := r.Provider + "/" + r.UserID + "/"
	key := func(k rotator.KeyRef) string {
		if k.ID == "" {
			return ""
		}
		return user + k.Name
	}
	o := oracle.Row{
		Rotation: r.ID, Credential: r.CredentialID.String(), Policy: r.Policy, Stage: string(r.Stage), Reason: string(r.Reason), Actor: r.Actor, By: by,
		NewName: r.NewKey.Name, Planned: r.PlannedAt, NewKey: key(r.NewKey), OldKey: key(r.OldKey), Sealed: len(r.Sealed) > 0, Grace: r.Terms.Grace, Idle: r.Terms.Idle,
	}
	for _, d := range r.Discarded {
		o.Discarded = append(o.Discarded, key(d))
	}
	for _, p := range r.Sinks {
		o.Places = append(o.Places, oracle.Confirmed{Place: oracle.Place{Sink: p.Sink, Location: p.Location}, Read: p.Confirmed()})
	}
	return o
}
