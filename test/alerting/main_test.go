package alerting

import (
	"testing"

	"github.com/rotatord/rotatord/test/daemon"
)

func TestMain(m *testing.M) { daemon.Main(m) }
