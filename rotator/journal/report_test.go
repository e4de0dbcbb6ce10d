package journal

import (
	"slices"
	"testing"

	"github.com/rotatord/rotatord/rotator"
)

func TestAReportLeavesOutWhatItCannotRead(t *testing.T) {
	var damaged []string
	s := openIn(t, t.TempDir(), Options{OnDamaged: func(id string, err error) {
		if err := expect(err, rotator.Invalid, id, "backup"); err != nil {
			t.Error(err)
		}
		damaged = append(damaged, id)
	}})
	for n := range 2 {
		for _, c := range rotated(n) {
			if err := s.Commit(t.Context(), c); err != nil {
				t.Fatal(err)
			}
		}
		last := rotated(n)
		k := rotator.TrackedKey{Provider: "p", Base: "ci", Version: 2, Key: rotator.Key{
			ID: last[len(last)-1].After.NewKey.ID, UserID: last[0].After.UserID, Name: "ci-r0002", State: rotator.KeyActive}}
		if err := s.Merge(t.Context(), "p", nil, []rotator.KeyRow{{TrackedKey: k, Sum: 1}}); err != nil {
			t.Fatal(err)
		}
	}
	spoil(t, s, "rotation-0", `{"why": 7}`)
	var got []rotator.KeyFacts
	err := s.ReportKeys(t.Context(), rotator.KeyQuery{}, epoch, func(f rotator.KeyFacts) error {
		got = append(got, f)
		return nil
	})
	if err != nil || len(got) != 2 {
		t.Fatalf("%d keys, %v; want both", len(got), err)
	}
	if bad := got[0]; bad.Last == nil || bad.Last.ID != "rotation-0" || bad.Last.Stage != rotator.StageDone || bad.Last.Why != "" || bad.Evidence != nil {
		t.Errorf("of the damaged rotation: %+v, %v; want what its row says", bad.Last, bad.Evidence)
	}
	if good := got[1]; good.Last == nil || good.Last.Why != "the old key is gone" || len(good.Evidence) != 2 {
		t.Errorf("of the other: %+v, %v", good.Last, good.Evidence)
	}
	if !slices.Contains(damaged, "rotation-0") || slices.Contains(damaged, "rotation-1") {
		t.Errorf("reported as damaged: %v", damaged)
	}
}
