package rotator

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// moves names every constructor that changes a rotation's stage, with the stages it may be called in and the one it
// leads to.
var moves = []struct {
	name string
	from []Stage
	to   Stage
	what string
	call func(r *Rotation) Change
}{
	{"BeginMint", []Stage{StagePlanned}, StageMinting, "the intent is durable before the provider is asked", func(r *Rotation) Change { return r.BeginMint(noon) }},
	{"Supersede", []Stage{StagePlanned}, StageAbandoned, "there is nothing to replace any more", func(r *Rotation) Change { return r.Supersede(noon, "why", noon) }},
	{"Seal", []Stage{StageMinting}, StageMinted, "the key exists and its secret is sealed", func(r *Rotation) Change { return r.Seal(Minted{KeyID: "2"}, []byte("sealed"), "fp", noon) }},
	{"Supply", []Stage{StagePlanned}, StageMinted, "a person made the key, or it came with a new service user; its secret is sealed", func(r *Rotation) Change {
		return r.Supply(Minted{KeyID: "2"}, []byte("sealed"), "fp", "ann", noon)
	}},
	{"BeginExtend", []Stage{StagePlanned}, StageExtending, "the policy moves expiries: no other key is made", func(r *Rotation) Change { return r.BeginExtend(noon) }},
	{"Extended", []Stage{StageExtending}, StageDone, "the provider lists the later expiry", func(r *Rotation) Change { return r.Extended(noon, noon) }},
	{"ReplaceInstead", []Stage{StageExtending}, StagePlanned, "the expiry cannot be moved: the key is replaced after all", func(r *Rotation) Change { return r.ReplaceInstead("why", noon) }},
	{"NotMinted", []Stage{StageMinting}, StagePlanned, "the provider said that no key was made", func(r *Rotation) Change { return r.NotMinted(errors.New("no"), noon, noon) }},
	{"Burn", []Stage{StageMinting}, StagePlanned, "the name is spent: the next version is tried", func(r *Rotation) Change { return r.Burn(noon, "note") }},
	{"StartOver", []Stage{StageDelivering, StageGrace, StageDeactivating, StageRevoking}, StagePlanned, "somebody gave up a new key that cannot go on", func(r *Rotation) Change { return r.StartOver("ann", nil, noon) }},
	{"BeginTest", []Stage{StageMinted}, StageTesting, "the new key is tried before any sink sees it", func(r *Rotation) Change { return r.BeginTest(noon, time.Minute) }},
	{"Proven", []Stage{StageTesting}, StageDelivering, "the new key authenticates", func(r *Rotation) Change { return r.Proven(noon) }},
	{"Reject", []Stage{StageTesting}, StageAbandoning, "the provider refuses the new key for good", func(r *Rotation) Change { return r.Reject("why", noon) }},
	{"Confirm", []Stage{StageDelivering}, StageConfirmed, "every sink was read back; the sealed copy is erased", func(r *Rotation) Change { return r.Confirm(r.Sinks, noon) }},
	{"BeginGrace", []Stage{StageConfirmed}, StageGrace, "both keys work while consumers move", func(r *Rotation) Change { return r.BeginGrace(noon) }},
	{"Finish", []Stage{StageConfirmed, StageRevoking}, StageDone, "the old key is gone, or there was none", func(r *Rotation) Change { return r.Finish(noon, "why") }},
	{"BeginDeactivate", []Stage{StageGrace}, StageDeactivating, "the old key is about to be switched off", func(r *Rotation) Change { return r.BeginDeactivate(noon) }},
	{"BeginSoak", []Stage{StageDeactivating}, StageSoaking, "the old key is off and can be brought back", func(r *Rotation) Change { return r.BeginSoak(noon) }},
	{"BeginReactivate", []Stage{StageSoaking, StageRevoking}, StageReactivating, "somebody wants the old key back", func(r *Rotation) Change { return r.BeginReactivate("ann", noon) }},
	{"Reactivated", []Stage{StageReactivating}, StageGrace, "the old key works again; grace begins anew", func(r *Rotation) Change { return r.Reactivated(noon) }},
	{"TooLate", []Stage{StageReactivating}, StageRevoking, "the old key is revoked already", func(r *Rotation) Change { return r.TooLate("why", noon) }},
	{"BeginRevoke", []Stage{StageGrace, StageSoaking}, StageRevoking, "the old key is about to be revoked", func(r *Rotation) Change { return r.BeginRevoke(noon) }},
	{"TryAnother", []Stage{StageAbandoning}, StagePlanned, "the new key is revoked; another is made, since keys were given up before it", func(r *Rotation) Change { return r.TryAnother(noon, noon) }},
	{"Abandon", []Stage{StageAbandoning}, StageAbandoned, "the new key is revoked; the old one stays", func(r *Rotation) Change { return r.Abandon(noon, noon) }},
}

func inStage(s Stage) *Rotation {
	return &Rotation{ID: "r1", Seq: 7, Stage: s, StageAt: noon.Add(-time.Hour), CredentialID: CredentialID{"cc", "7", "ci"}, Version: 3,
		Attempt: 2, Trouble: "old trouble", Blocked: BlockDenied, BlockedSince: noon, Sealed: []byte("sealed"),
		Sinks: []SinkProgress{{Sink: "disk"}}}
}

func TestEveryStageAndTransition(t *testing.T) {
	for _, s := range Stages() {
		for _, m := range moves {
			t.Run(fmt.Sprintf("%s in %s", m.name, s), func(t *testing.T) {
				legal := slices.Contains(m.from, s)
				if s.Final() || !legal {
					mustPanic(t, func() { m.call(inStage(s)) })
					return
				}
				r := inStage(s)
				c := m.call(r)
				if c.From != s || c.Seq != 7 || c.After.Seq != 8 || c.After.Stage != m.to || !c.After.StageAt.Equal(noon) {
					t.Errorf("change %+v", c)
				}
				if c.After.Blocked != "" || !c.After.BlockedSince.IsZero() {
					t.Error("a block outlived its stage")
				}
				if c.Note == "" {
					t.Error("a transition without a note")
				}
				if m.to.Final() != c.After.NextAt.IsZero() {
					t.Errorf("NextAt %s in stage %s", c.After.NextAt, m.to)
				}
				if r.Stage != s || r.Seq != 7 {
					t.Error("the rotation itself was changed")
				}
			})
		}
	}
}

func mustPanic(t *testing.T, f func()) {
	t.Helper()
	defer func() {
		err, _ := recover().(error)
		if !errors.Is(err, ErrIllegal) {
			t.Errorf("an illegal transition went through: %v", err)
		}
	}()
	f()
}

func TestEveryLegalMoveHasAConstructor(t *testing.T) {
	for _, from := range Stages() {
		for _, to := range from.Next() {
			if !slices.ContainsFunc(moves, func(m struct {
				name string
				from []Stage
				to   Stage
				what string
				call func(r *Rotation) Change
			}) bool {
				return slices.Contains(m.from, from) && m.to == to
			}) {
				t.Errorf("nothing leads from %s to %s", from, to)
			}
		}
	}
}

func TestSealedSecretLivesFromMintedToConfirmed(t *testing.T) {
	r := inStage(StageMinting)
	r.Sealed = nil
	steps := []func(r *Rotation) Change{
		func(r *Rotation) Change { return r.Seal(Minted{KeyID: "2"}, []byte("sealed"), "fp", noon) },
		func(r *Rotation) Change { return r.BeginTest(noon, time.Minute) },
		func(r *Rotation) Change { return r.Proven(noon) },
		func(r *Rotation) Change { return r.Postpone(errors.New("x"), noon) },
	}
	for _, step := range steps {
		c := step(r)
		if string(c.After.Sealed) != "sealed" {
			t.Fatalf("the sealed secret is gone in %s", c.After.Stage)
		}
		r = &c.After
	}
	if c := r.Confirm(r.Sinks, noon); c.After.Sealed != nil {
		t.Error("the sealed secret outlived its confirmation")
	}
}

func TestGraceCountsFromTheConfirmation(t *testing.T) {
	r := inStage(StageConfirmed)
	r.Terms.Grace = 2 * time.Hour
	c := r.BeginGrace(noon) // an hour after the confirmation
	if want := noon.Add(time.Hour); !c.After.GraceUntil.Equal(want) || !c.After.NextAt.Equal(want) {
		t.Errorf("grace until %s, next %s, want %s", c.After.GraceUntil, c.After.NextAt, want)
	}
}

func TestBlockKeepsItsBeginning(t *testing.T) {
	r := inStage(StageRevoking)
	r.Blocked = ""
	first := r.Block(BlockOldKeyInUse, "in use", noon, noon.Add(time.Minute)).After
	second := first.Block(BlockOldKeyInUse, "still", noon.Add(time.Hour), noon.Add(2*time.Hour)).After
	other := second.Block(BlockHeld, "held", noon.Add(2*time.Hour), noon.Add(3*time.Hour)).After
	if !second.BlockedSince.Equal(noon) || !other.BlockedSince.Equal(noon.Add(2*time.Hour)) {
		t.Errorf("blocked since %s, then %s", second.BlockedSince, other.BlockedSince)
	}
}

func TestDeliveredWakesForTheFirstOpenSink(t *testing.T) {
	r := inStage(StageDelivering)
	c := r.Delivered([]SinkProgress{
		{Sink: "a", NextAt: noon.Add(time.Hour), Attempt: 3, Trouble: "down"},
		{Sink: "b", ConfirmedAt: noon},
		{Sink: "c", NextAt: noon.Add(time.Minute), Blocked: BlockSinkConflict},
	}, noon, "note")
	if !c.After.NextAt.Equal(noon.Add(time.Minute)) || c.After.Blocked != BlockSinkConflict || c.After.Attempt != 3 {
		t.Errorf("after = %+v", c.After)
	}
	if r.Sinks[0].Attempt != 0 {
		t.Error("the rotation itself was changed")
	}
}

var update = flag.Bool("update", false, "write generated pages")

// TestStatesPageIsFresh keeps docs/reference/states.md equal to the stages and their constructors.
func TestStatesPageIsFresh(t *testing.T) {
	var b strings.Builder
	b.WriteString("# Stages of a rotation\n\nGenerated from the code by `go test ./rotator -run States -update`; do not edit.\n\n")
	b.WriteString("A stage whose name ends in \"-ing\" is committed before its effect and the next one after it: after a crash, the stage says\nwhich one step is repeated or asked about.\n\n")
	b.WriteString("```mermaid\nstateDiagram-v2\n    [*] --> planned\n")
	for _, m := range moves {
		for _, f := range m.from {
			fmt.Fprintf(&b, "    %s --> %s\n", f, m.to)
		}
	}
	b.WriteString("    done --> [*]\n    abandoned --> [*]\n```\n\n| from | to | when |\n|---|---|---|\n")
	for _, m := range moves {
		for _, f := range m.from {
			fmt.Fprintf(&b, "| %s | %s | %s |\n", f, m.to, m.what)
		}
	}
	b.WriteString("\n## Reasons for a block\n\nA blocked rotation, or a key that is due and waits, does not go on by itself. It is looked at again all the same.\n\n")
	for _, r := range BlockReasons() {
		fmt.Fprintf(&b, "- `%s`\n", r)
	}
	page := filepath.Join("..", "docs", "reference", "states.md")
	if *update {
		if err := os.MkdirAll(filepath.Dir(page), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(page, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(page)
	if err != nil || string(got) != b.String() {
		t.Errorf("docs/reference/states.md is not what the code says (%v); run: go test ./rotator -run States -update", err)
	}
}
