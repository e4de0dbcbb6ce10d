package app

import (
	"go.uber.org/zap"
	"golang.org/x/sys/unix"
)

// harden keeps secrets in memory out of core dumps and away from debuggers of the same user (guarantee G7). Where the
// system does not allow it, that is said and the daemon runs all the same: the systemd unit sets the same limits.
func (a *App) harden() {
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		a.log.Warn("the process stays open to core dumps and debuggers", zap.Error(err))
	}
}
