package mutants

import "github.com/rotatord/rotatord/simulator/world"

// Mutant is the daemon without one of its guards.
type Mutant struct {
	// Name says which guard is gone, Guarantee what it is there for.
	Name, Guarantee string
	// World returns a world in which the mutant breaks the guarantee; the daemon as it is breaks none there.
	World func() *world.Scenario
	// Edits are what is changed. A guard with a second line of defence behind it takes more than one.
	Edits []Edit
}

// Edit is a change of a file, below the module's root: Old, which stands there once, becomes New.
type Edit struct{ File, Old, New string }

// The files in which the guards stand.
const (
	mint       = "rotator/engine/step_mint.go"
	evidence   = "rotator/evidence.go"
	prove      = "rotator/engine/step_prove.go"
	transition = "rotator/transition.go"
	clock      = "rotator/engine/clock.go"
	provision  = "rotator/engine/provision.go"
)

// List returns every mutant. Each guarantee has at least one.
func List() []Mutant {
	return append(ofKeys(), ofConduct()...)
}

// ofKeys are the mutants that attack what is promised of keys: G1 to G4.
func ofKeys() []Mutant {
	return []Mutant{
		{"rolls back by deleting the old key", "G1", with(refused), []Edit{{prove,
			`key := rotator.Key{ID: r.NewKey.ID, UserID: r.UserID, Name: r.NewKey.Name, Expires: r.NewKeyExpires}`,
			`key := rotator.Key{ID: r.OldKey.ID, UserID: r.UserID, Name: r.OldKey.Name, Expires: r.NewKeyExpires}`}}},
		{"delivers a new key that the provider does not accept yet", "G1", with(slow), []Edit{{prove,
			"	if err == nil {\n		return r.Proven(now), nil\n	}\n", "	if err == nil || err != nil {\n		return r.Proven(now), nil\n	}\n"}}},
		{"forgets to seal the secret", "G2", quiet, []Edit{
			{mint, `c := r.Seal(m, sealed, e.sealer.Fingerprint(m.Secret), now)`, `c := r.Seal(m, sealed[:0], e.sealer.Fingerprint(m.Secret), now)`},
			{"rotator/journal/commit.go", `ready.sealing == storeSealed && len(r.Sealed) == 0`, `ready.sealing == storeSealed && len(r.Sealed) < 0`}}},
		{"leaves keys alone whose secret nobody has", "G2", with(lossy), []Edit{
			{mint, "	if k.State == rotator.KeyActive || k.State == rotator.KeyDisabled {\n		owner, err := e.ownerOf(",
				"	if k.State == rotator.KeyDisabled {\n		owner, err := e.ownerOf("},
			{"rotator/engine/orphan.go", `return !undecided, undecided, nil`, `return false, undecided, nil`}}},
		{"leaves the key alone that came with a service user whose creation nobody heard of", "G2", with(unnamed), []Edit{{provision,
			"	lost := undecided(*p)\n", "	lost := undecided(*p) && false\n"}}},
		{"asks the provider before the intent is durable", "G2", quiet, []Edit{{mint,
			"	if err := e.commit(ctx, begin); err != nil {\n		return rotator.Change{}, err\n	}\n	*r = begin.After\n	return e.mint(",
			"	defer func() { _ = e.commit(ctx, begin) }()\n	*r = begin.After\n	return e.mint("}}},
		{"begins to revoke at once", "G3", with(idle), []Edit{{transition,
			`c.After.GraceUntil, c.After.NextAt = until, until`, `c.After.GraceUntil, c.After.NextAt = now, now`}}},
		{"does not read sinks back before it revokes", "G3", with(restored), []Edit{{evidence,
			"		if !s.Matches {\n			return refuse(", "		if false {\n			return refuse("}}},
		{"overlooks a hold", "G3", rotated(world.Incident{Kind: world.Hold, At: rotates + 2*hour, For: 2 * day}), []Edit{{evidence,
			`if h == nil || !h.Until.After(now) {`, `if h == nil || h != nil {`}}},
		{"overlooks a freeze", "G3", rotated(world.Incident{Kind: world.Reload, At: rotates + 2*hour, For: 2 * day}), []Edit{{evidence,
			"	if fr, ok := freezeAt(ev.Freezes, ev.Now); ok {\n		return frozenUntil(fr, ev.Now)\n	}\n", ""}}},
		{"overlooks the last use", "G3", with(clinging), []Edit{{evidence,
			`if idleAt := old.LastUsed.Add(r.Terms.Idle); idleAt.After(ev.Now) {`, `if idleAt := old.LastUsed.Add(r.Terms.Idle); false && idleAt.After(ev.Now) {`}}},
		{"does not wait for a hook that the policy requires", "G3", with(deaf), []Edit{{evidence,
			`if !h.Required || h.Ended() || h.Version != r.Version {`, `if h.Required || !h.Required || h.Version != r.Version {`}}},
		{"goes by a clock that is wrong", "G3", with(fast), []Edit{{evidence,
			`if !ClockWrong(skew) || r.Reason`, `if !ClockWrong(skew) || ClockWrong(skew) || r.Reason`}}},
		{"overlooks the cap on keys", "G4", with(full), []Edit{{mint,
			`case perCredential > 0 && s.active >= perCredential+givenUp:`, `case perCredential < 0 && s.active >= perCredential+givenUp:`}}},
	}
}

// ofConduct are the mutants that attack how the daemon behaves: G5 to G9.
func ofConduct() []Mutant {
	return []Mutant{
		{"repeats a create call whose answer was lost", "G5", with(late), []Edit{{mint,
			`if rotator.WriteKindOf(err) == rotator.UnknownOutcome {`, `if false {`}}},
		{"makes a service user again though the answer was lost", "G5", with(born), []Edit{{provision,
			"		p.Trouble = \"the answer was lost, and the next scan shows whether it exists: \" + err.Error()\n		return asJournal(e.store.SaveProvision(ctx, *p))\n",
			"		return e.create(ctx, a, p, now)\n"}}},
		{"lets a second daemon in", "G6", happens(world.Incident{Kind: world.SecondDaemon, At: hour}), []Edit{{"rotator/journal/lock.go",
			`flock(f, syscall.LOCK_EX|syscall.LOCK_NB)`, `flock(f, syscall.LOCK_SH|syscall.LOCK_NB)`}}},
		{"takes writes of a replica that has lost the account", "G6", with(stalled), []Edit{{"rotator/journal/committer.go",
			`if l, leased := rotator.LeaseOf(r.ctx); leased {`, `if l, leased := rotator.LeaseOf(r.ctx); leased && l.Epoch < 0 {`}}},
		{"gives a lease to two replicas", "G6", with(shared), []Edit{{"rotator/journal/leases.go",
			`if was.Owner == owner || !was.Until.After(now) {`, `if was.Owner == owner || was.Until.After(now) {`}}},
		{"logs a secret", "G7", quiet, []Edit{{mint, "	c := r.Seal(m, sealed, e.sealer.Fingerprint(m.Secret), now)\n",
			"	c := r.Seal(m, sealed, e.sealer.Fingerprint(m.Secret), now)\n	e.log.Info(\"made \" + string(m.Secret.Reveal()))\n"}}},
		{"keeps quiet about scans that fail", "G8", with(dark), []Edit{{"rotator/engine/scan.go", `s.ScanTrouble = err.Error() })`, `s.ScanTrouble = "" })`}}},
		{"keeps quiet about a clock that is behind", "G8", happens(world.Incident{Kind: world.ClockSet, At: hour, By: -5 * day}), []Edit{{clock,
			`return e.noteSkew(ctx, a, ahead.Round(time.Minute))`, `return nil`}}},
		{"lets a clock that is ahead put keys to rest", "G8", with(ahead), []Edit{
			{"rotator/decide.go", "	if d, wrong := wrongClock(f, now); wrong {\n		return d, true\n	}\n	if f.Policy", "	if f.Policy"},
			{clock, `e.store.LookEarlier(ctx, a.name, now)`, `nil`}}},
		{"stays patient for as long as a clock said that was ahead", "G9", with(patient), []Edit{{clock,
			`s.LastScan, s.PausedUntil, s.PausedWhy = now, time.Time{}, ""`, `s.LastScan = now`}}},
		{"overlooks the blast-radius cap", "G9", with(rush), []Edit{{"rotator/decide.go", `if Spare(l, s, due, started) >= 0 {`, `if Spare(l, s, due, started) >= 0 || true {`}}},
		{"begins more drills than the calendar says", "G9", with(drilled), []Edit{{"rotator/engine/drill_schedule.go",
			`if err != nil || begun >= d.Limit {`, `if begun = 0; err != nil {`}}},
		{"never halts at a provider that fails", "G9", with(hammered), []Edit{{"rotator/engine/account.go",
			`if halt <= 0 || s.Failures < halt ||`, `if halt <= 0 || halt > 0 ||`}}},
	}
}
