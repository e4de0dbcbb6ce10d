package journal

import (
	"context"
	"encoding/json"
	"time"

	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/rotator/audit"
)

const (
	insertRotation = `INSERT INTO rotations (id, provider, user_id, base, version, seq, stage, stage_at, is_open, calls_provider, next_at, blocked, body)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) ON CONFLICT DO NOTHING`

	updateRotation = `UPDATE rotations SET version = $1, seq = $2, stage = $3, stage_at = $4, is_open = $5, calls_provider = $6, next_at = $7,
blocked = $8, body = $9, sealed = CASE CAST($10 AS INTEGER) WHEN 1 THEN $11 ELSE sealed END
WHERE id = $12 AND stage = $13 AND seq = $14`

	readStage = `SELECT stage, seq FROM rotations WHERE id = $1`

	readOpen = `SELECT id FROM rotations WHERE provider = $1 AND user_id = $2 AND base = $3 AND is_open = 1`

	insertHistory = `INSERT INTO history (rotation, seq, at, from_stage, to_stage, note) VALUES ($1, $2, $3, $4, $5, $6)`

	readLocation = `SELECT provider, user_id, base FROM locations WHERE sink = $1 AND location = $2`

	claimLocation = `INSERT INTO locations (sink, location, provider, user_id, base) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (sink, location) DO UPDATE SET provider = excluded.provider, user_id = excluded.user_id, base = excluded.base
WHERE locations.provider <> excluded.provider OR locations.user_id <> excluded.user_id OR locations.base <> excluded.base`

	// A credential lives while it has a rotation under way or an active key that the last scan saw, and for a while after the
	// end of a rotation whose new key no scan has shown yet.
	readLiving = `SELECT 1 WHERE EXISTS (SELECT 1 FROM rotations WHERE provider = $1 AND user_id = $2 AND base = $3 AND is_open = 1)
OR EXISTS (SELECT 1 FROM keys WHERE provider = $1 AND user_id = $2 AND base = $3 AND state = 'active' AND missing_since IS NULL)
OR EXISTS (SELECT 1 FROM rotations r WHERE r.provider = $1 AND r.user_id = $2 AND r.base = $3 AND r.is_open = 0 AND r.stage = 'done' AND r.stage_at >= $4
AND NOT EXISTS (SELECT 1 FROM keys k WHERE k.provider = $1 AND k.user_id = $2 AND k.base = $3 AND k.version >= r.version))`

	raiseVersion = `INSERT INTO credentials (provider, user_id, base, highest_version) VALUES ($1, $2, $3, $4)
ON CONFLICT (provider, user_id, base) DO UPDATE SET highest_version = excluded.highest_version
WHERE credentials.highest_version < excluded.highest_version`

	intendName = `INSERT INTO names (provider, user_id, name, rotation, version, sealed) VALUES ($1, $2, $3, $4, $5, 0)
ON CONFLICT (provider, user_id, name) DO UPDATE SET rotation = excluded.rotation, version = excluded.version, sealed = 0`

	sealName = `UPDATE names SET sealed = 1 WHERE provider = $1 AND user_id = $2 AND name = $3`

	restKey = `UPDATE keys SET look_at = NULL, waiting = '', waiting_why = '', waiting_since = NULL WHERE provider = $1 AND id = $2`

	wakeKey = `UPDATE keys SET look_at = $1 WHERE provider = $2 AND id = $3`

	wakeFailed = `UPDATE keys SET look_at = $1, waiting = $2, waiting_why = $3, waiting_since = $4 WHERE provider = $5 AND id = $6 AND state = 'active'`
)

// unseenFor is how long a credential keeps its locations after a rotation whose new key no scan shows.
const unseenFor = 7 * 24 * time.Hour

// sealing says what a change does to the column of the sealed secret. All other changes leave it alone, whatever the
// rotation in them holds: a caller that lost the sealed secret on its way cannot erase it.
type sealing int

const (
	keepSealed sealing = iota
	storeSealed
	eraseSealed
)

// change is a [rotator.Change] made ready for the committer, where time is dear.
type change struct {
	rotator.Change
	then    *change // made from Then
	body    string
	sealing sealing
	notices []string // their bodies, in the order of Notices
	hooks   []string // likewise, of Hooks
	event   []byte   // for the audit record; nil for a change that repeats
}

// Commit implements [rotator.Journal].
func (s *Store) Commit(ctx context.Context, c rotator.Change) error {
	op := "commit rotation " + c.After.ID
	ready, err := prepare(op, c)
	if err != nil {
		return err
	}
	return s.write(ctx, op, func(w *writer) error { return ready.apply(w, op) })
}

func prepare(op string, c rotator.Change) (*change, error) {
	r := &c.After
	if r.ID == "" || r.Seq != c.Seq+1 || c.From.Final() && c.Seq != 0 || c.Seq == 0 && r.Stage != rotator.StagePlanned {
		return nil, rotator.NewFault(op, rotator.Invalid, "a change from %q (seq %d) to %q (seq %d) is none that a rotation makes: "+
			"this is a defect of rotatord, please report it", c.From, c.Seq, r.Stage, r.Seq)
	}
	ready := &change{Change: c, sealing: sealingOf(c)}
	if ready.sealing == storeSealed && len(r.Sealed) == 0 {
		return nil, rotator.NewFault(op, rotator.Invalid, "the new key's secret is not sealed; nothing was recorded, so that the key counts as an orphan")
	}
	body, err := json.Marshal(r)
	if err != nil {
		return nil, rotator.NewFault(op, rotator.Invalid, "the rotation cannot be written as JSON: %w", err)
	}
	ready.body = string(body)
	if !c.Repeats {
		if ready.event, err = audit.Encode(c.Audit()); err != nil {
			return nil, rotator.NewFault(op, rotator.Invalid, "its audit record cannot be written as JSON: %w", err)
		}
	}
	if ready.hooks, err = hookBodies(op, c.Hooks); err != nil {
		return nil, err
	}
	if ready.notices, err = noticeBodies(op, c.Notices); err != nil || c.Then == nil {
		return ready, err
	}
	if !r.Stage.Final() || c.Then.Seq != 0 || c.Then.After.CredentialID != r.CredentialID {
		return nil, rotator.NewFault(op, rotator.Invalid, "a rotation of %s (seq %d) cannot be planned together with a change of one of %s to %q: "+
			"this is a defect of rotatord, please report it", c.Then.After.CredentialID, c.Then.After.Seq, r.CredentialID, r.Stage)
	}
	ready.then, err = prepare(op, *c.Then)
	return ready, err
}

func sealingOf(c rotator.Change) sealing {
	switch to := c.After.Stage; {
	case to == c.From:
		return keepSealed
	case to == rotator.StageMinted:
		return storeSealed
	case to == rotator.StageConfirmed, to == rotator.StagePlanned, to.Final():
		return eraseSealed
	default:
		return keepSealed
	}
}

// apply runs in the committer. Everything that can refuse comes before the first row that is written.
func (c *change) apply(w *writer, op string) error {
	if err := c.checkLocations(w, op); err != nil {
		return err
	}
	if c.then != nil {
		if err := c.then.checkLocations(w, op); err != nil {
			return err
		}
		if err := c.then.checkFree(w, op, c.After.ID); err != nil {
			return err
		}
	}
	if err := c.write(w, op); err != nil || c.then == nil {
		return err
	}
	return c.then.write(w, op)
}

func (c *change) write(w *writer, op string) error {
	write := c.update
	if c.Seq == 0 {
		write = c.plan
	}
	if err := write(w, op); err != nil {
		return err
	}
	if err := c.recordVersion(w); err != nil {
		return err
	}
	if c.After.Stage != c.From {
		if err := c.enter(w); err != nil {
			return err
		}
	}
	if err := c.putNotices(w); err != nil {
		return err
	}
	if err := c.putHooks(w); err != nil {
		return err
	}
	if err := enterLedger(w, c.After.Provider, c.Ledger); err != nil || c.Repeats {
		return err
	}
	r := &c.After
	w.record(c.event)
	if c.Untold {
		return nil
	}
	_, err := w.exec(insertHistory, r.ID, r.Seq, w.clock.Now().UnixMilli(), string(c.From), string(r.Stage), c.Note)
	return err
}

func (c *change) plan(w *writer, op string) error {
	r := &c.After
	n, err := w.exec(insertRotation, r.ID, r.Provider, r.UserID, r.Base, r.Version, r.Seq, string(r.Stage), r.StageAt.UnixMilli(),
		flag(!r.Stage.Final()), flag(r.Stage.CallsProvider()), nextAt(r), string(r.Blocked), c.body)
	if err != nil {
		return err
	}
	if n == 0 {
		return c.whyNotPlanned(w, op)
	}
	if r.OldKey.ID == "" {
		return nil
	}
	_, err = w.exec(restKey, r.Provider, r.OldKey.ID)
	return err
}

// claims reports whether the rotation's sinks are new to the journal: it is planned, or planned again with other sinks.
func (c *change) claims() bool {
	return c.After.Stage == rotator.StagePlanned && c.From != rotator.StagePlanned && c.From != rotator.StageMinting
}

func (c *change) checkLocations(w *writer, op string) error {
	if !c.claims() {
		return nil
	}
	if err := w.lockTable("locations"); err != nil {
		return err
	}
	for _, sink := range c.After.Sinks {
		if err := c.checkLocation(w, op, sink); err != nil {
			return err
		}
	}
	return nil
}

// claim takes the locations of a rotation that is planned, or planned again with other sinks.
func (c *change) claim(w *writer) error {
	r := &c.After
	for _, sink := range r.Sinks {
		if _, err := w.exec(claimLocation, sink.Sink, sink.Location, r.Provider, r.UserID, r.Base); err != nil {
			return err
		}
	}
	return nil
}

func (c *change) checkLocation(w *writer, op string, sink rotator.SinkProgress) error {
	var owner rotator.CredentialID
	taken, err := w.one(readLocation, []any{sink.Sink, sink.Location}, &owner.Provider, &owner.UserID, &owner.Base)
	if err != nil || !taken || owner == c.After.CredentialID {
		return err
	}
	var one int
	living, err := w.one(readLiving, []any{owner.Provider, owner.UserID, owner.Base, c.After.PlannedAt.Add(-unseenFor).UnixMilli()}, &one)
	if err != nil || !living {
		return err
	}
	return rotator.NewFault(op, rotator.Conflict, "sink %s delivers %s to %s, and so it does %s: %w; give them different paths",
		sink.Sink, c.After.CredentialID, sink.Location, owner, rotator.ErrLocationTaken)
}

// checkFree refuses what [change.plan] would refuse once the rotation that is about to end has ended.
func (c *change) checkFree(w *writer, op, ending string) error {
	r := &c.After
	var other, stage string
	var seq int64
	open, err := w.one(readOpen, []any{r.Provider, r.UserID, r.Base}, &other)
	if err != nil {
		return err
	}
	known, err := w.one(readStage, []any{r.ID}, &stage, &seq)
	if err != nil || !known && (!open || other == ending) {
		return err
	}
	return c.whyNotPlanned(w, op)
}

func (c *change) whyNotPlanned(w *writer, op string) error {
	r := &c.After
	var other string
	found, err := w.one(readOpen, []any{r.Provider, r.UserID, r.Base}, &other)
	if err != nil {
		return err
	}
	if found && other != r.ID {
		return rotator.NewFault(op, rotator.Conflict, "%s is being rotated already, by rotation %s", r.CredentialID, other)
	}
	return rotator.NewFault(op, rotator.Conflict, "there is a rotation with this id already")
}

func (c *change) update(w *writer, op string) error {
	r := &c.After
	var sealed any
	if c.sealing == storeSealed {
		sealed = r.Sealed
	}
	n, err := w.exec(updateRotation, r.Version, r.Seq, string(r.Stage), r.StageAt.UnixMilli(), flag(!r.Stage.Final()),
		flag(r.Stage.CallsProvider()), nextAt(r), string(r.Blocked), c.body, flag(c.sealing != keepSealed), sealed,
		r.ID, string(c.From), c.Seq)
	if err != nil {
		return err
	}
	if n == 0 {
		return c.whyNotUpdated(w, op)
	}
	if c.sealing == eraseSealed && c.From != rotator.StagePlanned {
		w.erased = true
	}
	return nil
}

func (c *change) whyNotUpdated(w *writer, op string) error {
	var stage string
	var seq int64
	found, err := w.one(readStage, []any{c.After.ID}, &stage, &seq)
	if err != nil {
		return err
	}
	if !found {
		return rotator.NewFault(op, rotator.Conflict, "there is no such rotation in the journal")
	}
	return rotator.NewFault(op, rotator.Conflict, "it is at %s (seq %d) by now, not at %s (seq %d)", stage, seq, c.From, c.Seq)
}

func (c *change) recordVersion(w *writer) error {
	r := &c.After
	if r.Stage != rotator.StagePlanned && r.Stage != rotator.StageMinting {
		return nil
	}
	_, err := w.exec(raiseVersion, r.Provider, r.UserID, r.Base, r.Version)
	return err
}

// enter writes what goes with reaching a stage, as opposed to staying in it.
func (c *change) enter(w *writer) error {
	r := &c.After
	var err error
	switch r.Stage {
	case rotator.StagePlanned:
		if c.claims() {
			err = c.claim(w)
		}
	case rotator.StageMinting:
		_, err = w.exec(intendName, r.Provider, r.UserID, r.NewKey.Name, r.ID, r.Version)
	case rotator.StageMinted:
		if c.From == rotator.StagePlanned {
			if _, err := w.exec(intendName, r.Provider, r.UserID, r.NewKey.Name, r.ID, r.Version); err != nil {
				return err
			}
		}
		_, err = w.exec(sealName, r.Provider, r.UserID, r.NewKey.Name)
	case rotator.StageDone:
		// What fell due meanwhile has waited for the end of this.
		err = wakeOthers(w, r.CredentialID, r.OldKey.ID, r.StageAt)
	case rotator.StageAbandoned:
		if c.From == rotator.StageAbandoning {
			_, err = w.exec(wakeFailed, up(c.Retry), string(rotator.BlockRotationFailed), r.Why, down(r.StageAt), r.Provider, r.OldKey.ID)
			return err
		}
		_, err = w.exec(wakeKey, up(c.Retry), r.Provider, r.OldKey.ID)
	}
	return err
}

// nextAt is when a step is due; a rotation without such a time is due at once while it is open.
func nextAt(r *rotator.Rotation) int64 {
	if r.NextAt.IsZero() {
		return 0
	}
	return upMillis(r.NextAt)
}
