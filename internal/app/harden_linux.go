package app

import (
	"go.uber.org/zap"
	"golang.org/x/sys/unix"
)

// harden keeps secrets in memory out of core dumps and away from debuggers of the same user (guarantee G7), before there is a
// secret in memory. Where the system does not allow it, that is said and the daemon runs all the same: the systemd unit sets
// the same limits.
func (a *App) harden() {
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		a.log.Warn("the process stays open to core dumps and debuggers", zap.Error(err))
	}
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		a.log.Warn("the limit on core dumps cannot be set to zero", zap.Error(err))
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		a.log.Warn("the process may still gain privileges", zap.Error(err))
	}
}
