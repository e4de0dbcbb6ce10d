package forecast

import (
	"cmp"
	"container/heap"
	"slices"
)

// soonest keeps the actions that come first, in whatever order they are added: the latest of those kept is on top.
type soonest struct {
	kept []Action
	more bool
}

func compare(a, b Action) int {
	if c := a.At.Compare(b.At); c != 0 {
		return c // nearly always: what is compared below has to be made first
	}
	return cmp.Or(cmp.Compare(a.Credential.String(), b.Credential.String()),
		cmp.Compare(slices.Index(Kinds(), a.Kind), slices.Index(Kinds(), b.Kind)))
}

// Len implements [heap.Interface].
func (s *soonest) Len() int { return len(s.kept) }

// Less implements [heap.Interface].
func (s *soonest) Less(i, j int) bool { return compare(s.kept[i], s.kept[j]) > 0 }

// Swap implements [heap.Interface].
func (s *soonest) Swap(i, j int) { s.kept[i], s.kept[j] = s.kept[j], s.kept[i] }

// Push implements [heap.Interface].
func (s *soonest) Push(a any) { s.kept = append(s.kept, a.(Action)) } //nolint:forcetypeassert,errcheck // add alone pushes

// Pop implements [heap.Interface].
func (s *soonest) Pop() any {
	last := s.kept[len(s.kept)-1]
	s.kept = s.kept[:len(s.kept)-1]
	return last
}

func (s *soonest) add(a Action, limit int) {
	switch {
	case len(s.kept) < limit:
		heap.Push(s, a)
	case limit > 0 && compare(a, s.kept[0]) < 0:
		s.kept[0] = a
		heap.Fix(s, 0)
		s.more = true
	default:
		s.more = true
	}
}

func (s *soonest) sorted() []Action {
	kept := slices.Clone(s.kept)
	slices.SortFunc(kept, compare)
	return kept
}
