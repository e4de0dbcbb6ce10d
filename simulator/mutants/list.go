package mutants

// Mutant is the daemon without one of its guards.
type Mutant struct {
	// Name says which guard is gone, Guarantee what it is there for.
	Name, Guarantee string
	// Seed is of a world in which the mutant breaks the guarantee and the daemon as it is breaks none; 0 while none is known.
	Seed uint64
	// File is what is changed, below the module's root: Old, which stands there once, becomes New.
	File, Old, New string
}

// List returns every mutant. Each guarantee has at least one.
func List() []Mutant {
	return []Mutant{
		{"rolls back by deleting the old key", "G1", 0, "rotator/engine/step_prove.go",
			`key := rotator.Key{ID: r.NewKey.ID, UserID: r.UserID, Name: r.NewKey.Name, Expires: r.NewKeyExpires}`,
			`key := rotator.Key{ID: r.OldKey.ID, UserID: r.UserID, Name: r.OldKey.Name, Expires: r.NewKeyExpires}`},
		{"delivers a new key that the provider does not accept yet", "G1", 0, "rotator/engine/step_prove.go",
			"	if err == nil {\n		return r.Proven(now), nil\n	}\n", "	if err == nil || err != nil {\n		return r.Proven(now), nil\n	}\n"},
		{"forgets to seal the secret", "G2", 0, "rotator/engine/step_mint.go",
			`c := r.Seal(m, sealed, e.sealer.Fingerprint(m.Secret), now)`, `c := r.Seal(m, sealed[:0], e.sealer.Fingerprint(m.Secret), now)`},
		{"leaves keys alone whose secret nobody has", "G2", 0, "rotator/engine/step_mint.go",
			"	if k.State == rotator.KeyActive || k.State == rotator.KeyDisabled {\n		owner, err := e.ownerOf(", "	if k.State == rotator.KeyDisabled {\n		owner, err := e.ownerOf("},
		{"asks the provider before the intent is durable", "G2", 201, "rotator/engine/step_mint.go",
			"	if err := e.commit(ctx, begin); err != nil {\n		return rotator.Change{}, err\n	}\n	*r = begin.After\n	return e.mint(",
			"	defer func() { _ = e.commit(ctx, begin) }()\n	*r = begin.After\n	return e.mint("},
		{"begins to revoke at once", "G3", 205, "rotator/transition.go", `c.After.GraceUntil, c.After.NextAt = until, until`, `c.After.GraceUntil, c.After.NextAt = now, now`},
		{"does not read sinks back before it revokes", "G3", 0, "rotator/evidence.go", "		if !s.Matches {\n			return refuse(", "		if false {\n			return refuse("},
		{"overlooks a hold", "G3", 0, "rotator/evidence.go", `if h == nil || !h.Until.After(now) {`, `if h == nil || h != nil {`},
		{"overlooks a freeze", "G3", 0, "rotator/evidence.go", "	if fr, ok := freezeAt(ev.Freezes, ev.Now); ok {\n		return frozenUntil(fr, ev.Now)\n	}\n", ""},
		{"overlooks the last use", "G3", 0, "rotator/evidence.go", `if idleAt := old.LastUsed.Add(r.Terms.Idle); idleAt.After(ev.Now) {`,
			`if idleAt := old.LastUsed.Add(r.Terms.Idle); false && idleAt.After(ev.Now) {`},
		{"overlooks the cap on keys", "G4", 0, "rotator/engine/step_mint.go", `case perCredential > 0 && s.active >= perCredential+givenUp:`,
			`case perCredential < 0 && s.active >= perCredential+givenUp:`},
		{"repeats a create call whose answer was lost", "G5", 0, "rotator/engine/step_mint.go",
			`if rotator.WriteKindOf(err) == rotator.UnknownOutcome {`, `if false {`},
		{"lets a second daemon in", "G6", 201, "rotator/journal/lock.go", `flock(f, syscall.LOCK_EX|syscall.LOCK_NB)`, `flock(f, syscall.LOCK_SH|syscall.LOCK_NB)`},
		{"logs a secret", "G7", 201, "rotator/engine/step_mint.go", `	c := r.Seal(m, sealed, e.sealer.Fingerprint(m.Secret), now)
`, `	c := r.Seal(m, sealed, e.sealer.Fingerprint(m.Secret), now)
	e.log.Info("made " + string(m.Secret.Reveal()))
`},
		{"keeps quiet about scans that fail", "G8", 0, "rotator/engine/scan.go", `s.ScanTrouble = err.Error() })`, `s.ScanTrouble = "" })`},
		{"overlooks the blast-radius cap", "G9", 0, "rotator/decide.go", `if due+started <= limit {`, `if due+started <= limit || true {`},
		{"never halts at a provider that fails", "G9", 0, "rotator/engine/account.go", `if halt <= 0 || s.Failures < halt ||`, `if halt <= 0 || halt > 0 ||`},
	}
}
