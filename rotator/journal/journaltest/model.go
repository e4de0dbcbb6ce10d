package journaltest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/rotatord/rotatord/rotator"
)

// Model runs random changes of a few rotations, right and wrong ones, against a store and against a map, and compares
// what both say is due, open and spent after each.
func Model(t *testing.T, open Open) {
	rapid.Check(t, func(rt *rapid.T) {
		s := open(t)
		m := &model{
			store: s, ctx: t.Context(), now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC),
			rotations: map[string]rotator.Rotation{}, highest: map[rotator.CredentialID]int{},
		}
		rt.Repeat(map[string]func(*rapid.T){
			"plan":    m.plan,
			"advance": m.advance,
			"stale":   m.stale,
			"time":    m.passTime,
			"":        m.compare,
		})
		if err := s.Close(); err != nil {
			rt.Fatal(err)
		}
	})
}

type model struct {
	store     rotator.Store
	ctx       context.Context
	now       time.Time
	rotations map[string]rotator.Rotation
	highest   map[rotator.CredentialID]int
}

func (m *model) passTime(t *rapid.T) {
	m.now = m.now.Add(time.Duration(rapid.IntRange(0, 7_200_000).Draw(t, "ms")) * time.Millisecond)
}

func (m *model) openOf(c rotator.CredentialID) (rotator.Rotation, bool) {
	for _, r := range m.rotations {
		if r.CredentialID == c && !r.Stage.Final() {
			return r, true
		}
	}
	return rotator.Rotation{}, false
}

func (m *model) plan(t *rapid.T) {
	c := credential(rapid.SampledFrom([]string{"p", "q"}).Draw(t, "provider"), rapid.IntRange(1, 3).Draw(t, "credential"))
	r := draft(c, m.now)
	r.Version = m.highest[c] + 1
	change := rotator.Plan(fmt.Sprint("r", len(m.rotations)), r, m.now, "planned")
	_, taken := m.openOf(c)
	m.commit(t, change, !taken)
}

// commit commits the change, which must succeed or be a conflict, and notes it if it succeeds.
func (m *model) commit(t *rapid.T, c rotator.Change, wanted bool) {
	err := m.store.Commit(m.ctx, c)
	if wanted != (err == nil) || err != nil && rotator.KindOf(err) != rotator.Conflict {
		t.Fatalf("%s from %q to %s: got %v, want success: %v", c.After.ID, c.From, c.After.Stage, err, wanted)
	}
	if err != nil {
		return
	}
	m.rotations[c.After.ID] = c.After
	if s := c.After.Stage; s == rotator.StagePlanned || s == rotator.StageMinting {
		m.highest[c.After.CredentialID] = max(m.highest[c.After.CredentialID], c.After.Version)
	}
}

func (m *model) pick(t *rapid.T) (rotator.Rotation, bool) {
	var open []string
	for _, id := range slices.Sorted(maps.Keys(m.rotations)) {
		if !m.rotations[id].Stage.Final() {
			open = append(open, id)
		}
	}
	if len(open) == 0 {
		return rotator.Rotation{}, false
	}
	return m.rotations[rapid.SampledFrom(open).Draw(t, "rotation")], true
}

// choices are the changes that a rotation can make where it stands.
func (m *model) choices(r *rotator.Rotation) []rotator.Change {
	later := m.now.Add(90 * time.Minute)
	all := []rotator.Change{r.Wait("later", later), r.Postpone(errors.New("down"), later), r.Block(rotator.BlockHeld, "held", m.now, later)}
	if step := happy[r.Stage]; step != nil {
		all = append(all, step(r, m.now), step(r, m.now))
	}
	switch r.Stage {
	case rotator.StagePlanned:
		all = append(all, r.Supersede(m.now, "not due", later), r.Renumber(r.Version+1, "taken"), r.BeginExtend(m.now),
			r.Supply(rotator.Minted{KeyID: "9"}, []byte("sealed"), "fp", "ann", m.now))
	case rotator.StageSoaking:
		all = append(all, r.BeginReactivate("ann", m.now))
	case rotator.StageReactivating:
		all = append(all, r.TooLate("gone", m.now))
	case rotator.StageAbandoning:
		all = append(all, r.TryAnother(m.now, later))
	case rotator.StageExtending:
		all = append(all, r.ReplaceInstead("expired", m.now))
	case rotator.StageMinting:
		all = append(all, r.Burn(m.now, "lost"), r.NotMinted(errors.New("refused"), m.now, later))
	case rotator.StageTesting:
		all = append(all, r.Reject("refused", m.now))
	}
	return all
}

func (m *model) advance(t *rapid.T) {
	if r, ok := m.pick(t); ok {
		choices := m.choices(&r)
		m.commit(t, choices[rapid.IntRange(0, len(choices)-1).Draw(t, "choice")], true)
	}
}

// stale commits a change that was made from what the rotation no longer is.
func (m *model) stale(t *rapid.T) {
	r, ok := m.pick(t)
	if !ok {
		return
	}
	c := r.Wait("stale", m.now)
	by := rapid.SampledFrom([]int64{-1, 1}).Draw(t, "by")
	if r.Seq+by <= 0 {
		by = 1
	}
	c.Seq += by
	c.After.Seq += by
	m.commit(t, c, false)
}

func (m *model) compare(t *rapid.T) {
	for _, provider := range []string{"p", "q"} {
		for _, paused := range []bool{false, true} {
			got, err := m.store.Due(m.ctx, provider, m.now, paused, 100)
			if err != nil {
				t.Fatal(err)
			}
			if want := m.due(provider, paused); !slices.Equal(rotationIDs(got), want) {
				t.Fatalf("due of %s, paused %v: got %v, want %v", provider, paused, rotationIDs(got), want)
			}
		}
	}
	for c, want := range m.highest {
		if got, err := m.store.HighestVersion(m.ctx, c); err != nil || got != want {
			t.Fatalf("the highest version of %s: got %d, %v, want %d", c, got, err, want)
		}
	}
	for id, want := range m.rotations {
		got, err := m.store.Rotation(m.ctx, id)
		if err != nil || got.Seq != want.Seq || got.Stage != want.Stage || string(got.Sealed) != string(want.Sealed) {
			t.Fatalf("rotation %s: got %s (seq %d, %d sealed bytes), %v, want %s (seq %d, %d sealed bytes)",
				id, got.Stage, got.Seq, len(got.Sealed), err, want.Stage, want.Seq, len(want.Sealed))
		}
	}
}

func (m *model) due(provider string, paused bool) []string {
	var due []rotator.Rotation
	for _, r := range m.rotations {
		if r.Provider == provider && !r.Stage.Final() && !r.NextAt.After(m.now) && (!paused || !r.Stage.CallsProvider()) {
			due = append(due, r)
		}
	}
	slices.SortFunc(due, func(a, b rotator.Rotation) int {
		if !a.NextAt.Equal(b.NextAt) {
			return a.NextAt.Compare(b.NextAt)
		}
		if a.ID < b.ID {
			return -1
		}
		return 1
	})
	return rotationIDs(due)
}
