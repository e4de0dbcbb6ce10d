package journal

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"

	"github.com/rotatord/rotatord/rotator"
)

// fileLock keeps a second process away from the journal. The kernel releases it however the process ends, so there is
// never a stale one to remove by hand.
type fileLock struct{ f *os.File }

// takeLock takes the lock in path, or says who holds it.
func takeLock(path string) (*fileLock, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o600) //nolint:gosec // the operator's own path
	if err != nil {
		return nil, fmt.Errorf("the lock file cannot be opened: %w; rotatord must be able to write in that folder", err)
	}
	if err := flock(f, syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		defer f.Close() //nolint:errcheck // nothing was written
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, rotator.NewFault("open journal", rotator.Conflict, "%s holds %s: another rotatord is running on this journal; "+
				"stop it first, or set another store.path", holder(f), path)
		}
		return nil, fmt.Errorf("%s cannot be locked: %w; the folder must be on a local file system", path, err)
	}
	l := &fileLock{f: f}
	if err := l.sign(); err != nil {
		l.release()
		return nil, fmt.Errorf("the lock file %s cannot be written: %w", path, err)
	}
	return l, nil
}

func flock(f *os.File, how int) error {
	for {
		err := syscall.Flock(int(f.Fd()), how)
		if !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}

func (l *fileLock) sign() error {
	if err := l.f.Truncate(0); err != nil {
		return err
	}
	_, err := l.f.WriteAt(fmt.Appendf(nil, "%d\n", os.Getpid()), 0)
	return err
}

func holder(f *os.File) string {
	pid, err := io.ReadAll(io.LimitReader(f, 32))
	if text := strings.TrimSpace(string(pid)); err == nil && text != "" {
		return "process " + text
	}
	return "a process that is only just starting"
}

// release gives the lock up. The file stays: removing it would let two processes lock two files of one name.
func (l *fileLock) release() {
	_ = l.f.Truncate(0)
	_ = l.f.Close()
}
