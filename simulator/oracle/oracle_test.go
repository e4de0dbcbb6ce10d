package oracle_test

import (
	"testing"
	"time"

	"github.com/rotatord/rotatord/simulator/oracle"
)

// nothing is a world in which no key works and no place holds anything.
type nothing struct{}

func (nothing) Works(string) bool                 { return false }
func (nothing) Holds(oracle.Place) (string, bool) { return "", false }

// TestBreachNamesEachGuaranteeOnce: the first breach is told, and of what broke with it the guarantee.
func TestBreachNamesEachGuaranteeOnce(t *testing.T) {
	o := oracle.New(nothing{}, nil)
	now := time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC)
	if b := o.Breach(); b != nil {
		t.Fatalf("a world in which nothing happened breaks %s", b)
	}
	o.SecondActor(false, now)
	o.Stuck("a/u/k", "it sleeps", now)
	o.Stuck("a/u/k", "it still sleeps", now)
	b := o.Breach()
	const want = "G6: a second daemon was let into the journal of one that runs; also G9"
	if b == nil || b.String() != want {
		t.Fatalf("got %v, want %s", b, want)
	}
	for guarantee, broken := range map[string]bool{"G6": true, "G9": true, "G1": false} {
		if b.Breaks(guarantee) != broken {
			t.Errorf("%s counts as broken: %t, want %t", guarantee, !broken, broken)
		}
	}
}
