package engine

import (
	"testing"
	"time"

	"github.com/rotatord/rotatord/rotator"
)

func TestBackoffGrowsToItsBoundAndStaysWithinItsSpread(t *testing.T) {
	b := Backoff{Base: time.Second, Max: time.Minute}
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	for attempt, most := range map[int]time.Duration{1: time.Second, 2: 2 * time.Second, 6: 32 * time.Second, 7: time.Minute, 1000: time.Minute} {
		for _, draw := range []float64{0, 0.5, 0.999999} {
			got := b.after(attempt, draw, now).Sub(now)
			if got > most || got < most*4/5 {
				t.Errorf("attempt %d, draw %v: after %s, want between four fifths of %s and all of it", attempt, draw, got, most)
			}
		}
	}
}

func TestRetriesAreDrawnTheSameAgainAndApartFromEachOther(t *testing.T) {
	one := rotator.Rotation{CredentialID: rotator.CredentialID{Provider: "cc", UserID: "7", Base: "deploy"}, ID: "a", Seq: 3}
	again := one
	again.ID = "b" // which is drawn from nothing that could be repeated
	if drawOfRetry(&one, "vault", 1) != drawOfRetry(&again, "vault", 1) {
		t.Error("the same failure draws something else the second time")
	}
	drawn := map[float64]string{}
	for what, r := range map[string]rotator.CredentialID{"first": one.CredentialID, "another user": {Provider: "cc", UserID: "8", Base: "deploy"}} {
		for _, sink := range []string{"", "vault", "disk"} {
			for attempt := 1; attempt < 4; attempt++ {
				d := drawOfRetry(&rotator.Rotation{CredentialID: r, Seq: 3}, sink, attempt)
				if d < 0 || d >= 1 || drawn[d] != "" {
					t.Errorf("%s, sink %q, attempt %d draws %v, as %q does", what, sink, attempt, d, drawn[d])
				}
				drawn[d] = what
			}
		}
	}
}
