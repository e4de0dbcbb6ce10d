package replicas

import (
	"testing"

	"github.com/rotatord/rotatord/rotator/journal/journaltest"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	journaltest.Run(t, opener(t))
}
