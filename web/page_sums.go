package web

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/rotatord/rotatord/rotator"
)

// sums are counts over all keys that are active.
type sums struct {
	At    time.Time
	Total int
	age   [len(ageWords)]int
	left  [len(leftWords)]int
}

// The buckets; the last but one is for all beyond, the last for times that are not known. Each end that is not 0 is one of rotator.AgeBands.
var (
	ageWords  = [...]string{"under 2 days", "under 7 days", "under 30 days", "under 90 days", "under 180 days", "under a year", "a year or more", "not known"}
	ageEnds   = [...]int{2, 7, 30, 90, 180, 365}
	leftWords = [...]string{"expired", "under 2 days", "under 7 days", "under 30 days", "under 90 days", "under a year", "a year or more", "never"}
	leftEnds  = [...]int{0, 2, 7, 30, 90, 365}
)

func (s *sums) add(c rotator.AgeCount) {
	s.Total += c.Aged
	s.age[bucket(c.Unknown, c.Days, ageEnds[:])] += c.Aged
	s.left[bucket(c.Unknown, c.Days, leftEnds[:])] += c.Left
}

// bucket finds the place of a number of days.
func bucket(unknown bool, days int, ends []int) int {
	if unknown {
		return len(ends) + 1
	}
	for i, end := range ends {
		if days < end {
			return i
		}
	}
	return len(ends)
}

// counted returns the counts, or nil while there are none yet.
func (s *Server) counted(ctx context.Context, now time.Time) *sums {
	return s.sums.get(ctx, now, func(ctx context.Context) (*sums, error) {
		counts, err := s.o.Journal.FleetAges(ctx, now)
		fresh := &sums{At: now}
		for _, c := range counts {
			fresh.add(c)
		}
		return fresh, err
	})
}

// bars is a bar chart that is drawn by the server.
type bars struct {
	Words  string
	Height int
	Bars   []bar
}

type bar struct {
	Label string
	// Note goes behind the count.
	Note      string
	Count     int
	W, CountX float64
	Y, TextY  int
}

// chart draws a bar for each label; note says what goes behind a count.
func chart(words string, labels []string, counts []int, note func(i int) string) bars {
	most := 1
	for _, n := range counts {
		most = max(most, n)
	}
	b := bars{Words: words + ":", Height: 22 * len(counts)}
	for i, n := range counts {
		w := 54 * float64(n) / float64(most)
		b.Bars = append(b.Bars, bar{Label: labels[i], Note: note(i), Count: n, W: w, CountX: 32 + w, Y: 22 * i, TextY: 22*i + 13})
		b.Words += fmt.Sprintf(" %s %s;", labels[i], strings.TrimSpace(fmt.Sprint(n, " ", note(i))))
	}
	return b
}

func unnoted(int) string { return "" }

func (s *sums) ages() bars { return chart("Keys by age", ageWords[:], s.age[:], unnoted) }

func (s *sums) lefts() bars {
	return chart("Keys by the time until they expire", leftWords[:], s.left[:], unnoted)
}
