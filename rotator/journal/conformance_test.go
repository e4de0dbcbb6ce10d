package journal

import (
	"testing"

	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/rotator/journal/journaltest"
)

func open(t *testing.T) rotator.Store {
	t.Helper()
	return openTemp(t)
}

func TestConformance(t *testing.T) {
	t.Parallel()
	journaltest.Run(t, open)
}

func TestModel(t *testing.T) {
	t.Parallel()
	journaltest.Model(t, open)
}
