package journal

import (
	"slices"
	"testing"
	"time"

	"github.com/rotatord/rotatord/rotator"
)

// TestADamagedNoticeStopsNoOther: it is reported, and again an hour later.
func TestADamagedNoticeStopsNoOther(t *testing.T) {
	var reported []string
	s := openIn(t, t.TempDir(), Options{OnDamaged: func(id string, err error) {
		if err := expect(err, rotator.Invalid, "is not sent", "backup"); err != nil {
			t.Error(err)
		}
		reported = append(reported, id)
	}})
	for n, id := range []string{"a/1", "b/1", "c/1"} {
		c := planned(n)
		c.Notices = []rotator.Notice{{ID: id, At: epoch, To: "ann@example.com"}}
		if err := s.Commit(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	for id, body := range map[string]string{"a/1": `{"id": 7}`, "c/1": `{"id": "b/1"}`} {
		if err := s.eachNotice(t.Context(), "spoil", []string{id}, `UPDATE notices SET body = $1 WHERE id = $2`, body); err != nil {
			t.Fatal(err)
		}
	}
	for _, now := range []time.Time{epoch, epoch.Add(59 * time.Minute), epoch.Add(time.Hour)} {
		due, err := s.DueNotices(t.Context(), now, 10)
		if err != nil || len(due) != 1 || due[0].ID != "b/1" {
			t.Fatalf("due at %s: %+v, %v", now, due, err)
		}
	}
	slices.Sort(reported)
	if want := []string{"notice a/1", "notice a/1", "notice c/1", "notice c/1"}; !slices.Equal(reported, want) {
		t.Errorf("reported %q, want %q", reported, want)
	}
}
