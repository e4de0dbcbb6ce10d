package command

import (
	"context"
	"errors"
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// begin starts the program in a process group of its own.
func begin(cmd *exec.Cmd) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return cmd.Start()
}

// supervise returns when the program has ended, by itself or because its time was over, and nothing is left of its process
// group. The program is not reaped before that: until then nobody else can have its number.
func supervise(ctx context.Context, pid int) (overdue bool) {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
			if !errors.Is(err, unix.EINTR) {
				return
			}
		}
	}()
	select {
	case <-ended:
	case <-ctx.Done():
		overdue = true
		_ = unix.Kill(-pid, unix.SIGTERM) // it may just have ended
		last := time.NewTimer(lastWords)
		defer last.Stop()
		select {
		case <-ended:
		case <-last.C:
		}
	}
	_ = unix.Kill(-pid, unix.SIGKILL) // nothing may be left
	<-ended
	return overdue
}
