package web

import (
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/rotatord/rotatord/rotator"
)

// nowData is what the first page is made of.
type nowData struct {
	frame
	Status  *Status
	Notices rotator.NoticeCounts
}

// page shows the status to people. If there is none to show, it says so in words, because that is what somebody who
// opens it then wants to know.
func (s *Server) page(w http.ResponseWriter, r *http.Request) {
	f := s.frame(r, "Now")
	f.Refresh = true
	st, err := s.status(r.Context(), f.Now)
	if err != nil {
		s.showTrouble(w, f, err)
		return
	}
	notices, err := s.o.Journal.CountNotices(r.Context())
	if err != nil {
		s.showTrouble(w, f, err)
		return
	}
	f.Alarm = st.NeedsPerson
	s.show(w, nowPage, http.StatusOK, nowData{frame: f, Status: st, Notices: notices})
}

// moment is a point in time for people: the time itself, and how far away it is.
type moment struct{ Exact, Shown, Away string }

func at(t, now time.Time) *moment {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &moment{Exact: t.Format(time.RFC3339), Shown: t.Format(shown), Away: away(t.Sub(now))}
}

// away says how long until (or, if negative, since), in the one unit that matters.
func away(d time.Duration) string {
	ago := d < 0
	words := span(d.Abs())
	switch {
	case d.Abs() < time.Second:
		return "now"
	case ago:
		return words + " ago"
	default:
		return "in " + words
	}
}

func span(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", d/time.Second)
	case d < 100*time.Minute:
		return fmt.Sprintf("%d min", d/time.Minute)
	case d < 2*day:
		return fmt.Sprintf("%d h", d.Round(time.Hour)/time.Hour)
	default:
		return fmt.Sprintf("%d days", d/day)
	}
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// happyPath are the stages of a rotation that goes well.
func happyPath() []rotator.Stage {
	return slices.DeleteFunc(rotator.Stages(), func(s rotator.Stage) bool {
		return slices.Contains([]rotator.Stage{rotator.StageReactivating, rotator.StageExtending, rotator.StageAbandoning, rotator.StageAbandoned}, s)
	})
}

// stageStep says how far along the path a rotation is.
func stageStep(r Rotation) int { return slices.Index(happyPath(), rotator.Stage(r.Stage)) + 1 }

// stageWords says what is happening to a rotation.
func stageWords(r Rotation) string {
	switch rotator.Stage(r.Stage) {
	case rotator.StagePlanned:
		return "planned"
	case rotator.StageMinting:
		return "asking the provider for the new key"
	case rotator.StageMinted:
		return "the new key is made and sealed"
	case rotator.StageTesting:
		return "trying the new key at the provider"
	case rotator.StageDelivering:
		return fmt.Sprintf("delivering: %d of %s it", r.confirmed(), plural(len(r.Sinks), "sink holds", "sinks hold"))
	case rotator.StageConfirmed:
		return "every sink holds the new key"
	case rotator.StageGrace:
		return "grace: both keys work"
	case rotator.StageDeactivating:
		return "switching the old key off"
	case rotator.StageSoaking:
		return "the old key is off and can still be brought back"
	case rotator.StageRevoking:
		return "revoking the old key"
	case rotator.StageReactivating:
		return "switching the old key on again"
	case rotator.StageExtending:
		return "moving the key's expiry"
	case rotator.StageAbandoning:
		return "giving up: revoking the new key, the old one stays"
	default:
		return r.Stage
	}
}

// Delivered says in how many of its places the new key is, where the words of its stage do not.
func (r Rotation) Delivered() string {
	if r.Stage == string(rotator.StageDelivering) || r.Stage == string(rotator.StageConfirmed) {
		return ""
	}
	return fmt.Sprintf("%d of %s the new key", r.confirmed(), plural(len(r.Sinks), "sink holds", "sinks hold"))
}

func (r Rotation) confirmed() int {
	n := 0
	for _, s := range r.Sinks {
		if !s.ConfirmedAt.IsZero() {
			n++
		}
	}
	return n
}

// shown is how pages write a time.
const shown = "2006-01-02 15:04 MST"
