package journal

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/rotatord/rotatord/rotator"
)

// ownDisk starts the role in a mount namespace of its own, where it may mount what it likes and leaves nothing behind.
func ownDisk(t *testing.T, role string) {
	t.Helper()
	cmd := child(t, role, t.TempDir())
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	if os.Getuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v", role, err)
	}
}

func TestFullDisk(t *testing.T)     { ownDisk(t, "full disk") }
func TestReadOnlyDisk(t *testing.T) { ownDisk(t, "read-only") }

func TestForeignFolder(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o555); err != nil {
		t.Fatal(err)
	}
	if err := child(t, "stranger", dir).Run(); err != nil {
		t.Fatal(err)
	}
}

func mountSmallDisk(dir string) error {
	if err := syscall.Mount("none", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("making mounts private: %w", err)
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=3m,mode=0755"); err != nil {
		return fmt.Errorf("mounting: %w", err)
	}
	return nil
}

// expect returns an error unless err is a fault of the kind that says all the words.
func expect(err error, kind rotator.Kind, words ...string) error {
	if err == nil || rotator.KindOf(err) != kind {
		return fmt.Errorf("got %w, want a fault of kind %s", err, kind)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			return fmt.Errorf("%w: this does not say %q", err, w)
		}
	}
	return nil
}

// meetFullDisk fills the disk, sees commits fail one after the other and reads succeed, makes room and goes on.
func meetFullDisk(dir string) error {
	if err := mountSmallDisk(dir); err != nil {
		return err
	}
	s, err := Open(context.Background(), filepath.Join(dir, "rotatord.db"), Options{})
	if err != nil {
		return err
	}
	filler := filepath.Join(dir, "filler")
	for round := range 3 {
		if err := fillDisk(filler); err != nil {
			return err
		}
		n, err := commitUntilError(s, round*100_000)
		if err := expect(err, rotator.Transient, "is full", dir); err != nil {
			return err
		}
		if err := untouched(s, n); err != nil {
			return err
		}
		if err := os.Remove(filler); err != nil {
			return err
		}
		if err := s.Commit(context.Background(), planned(n)); err != nil {
			return fmt.Errorf("after there was room again: %w", err)
		}
	}
	return s.Close()
}

func fillDisk(path string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	for {
		if _, err = f.Write(make([]byte, 4096)); err != nil {
			break
		}
	}
	if !errors.Is(err, syscall.ENOSPC) {
		return fmt.Errorf("the disk did not fill: %w", err)
	}
	return f.Close()
}

// commitUntilError plans rotations from the n-th on, and returns the one that failed.
func commitUntilError(s *Store, n int) (int, error) {
	for limit := n + 10_000; n < limit; n++ {
		if err := s.Commit(context.Background(), planned(n)); err != nil {
			return n, err
		}
	}
	return n, nil
}

// untouched checks that a failed plan left nothing and that the one before it can be read.
func untouched(s *Store, n int) error {
	if _, err := s.Rotation(context.Background(), planned(n).After.ID); rotator.KindOf(err) != rotator.Gone || err == nil {
		return fmt.Errorf("the rotation whose commit failed: got %w, want gone", err)
	}
	if v, err := s.HighestVersion(context.Background(), planned(n).After.CredentialID); err != nil || v != 0 {
		return fmt.Errorf("the version of the failed plan: got %d, %w, want 0", v, err)
	}
	if n%100_000 == 0 {
		return nil
	}
	if _, err := s.Rotation(context.Background(), planned(n-1).After.ID); err != nil {
		return fmt.Errorf("a rotation that was acknowledged: %w", err)
	}
	return nil
}

// meetReadOnlyDisk opens a journal on a disk that went read-only, and again when it is writable.
func meetReadOnlyDisk(dir string) error {
	if err := mountSmallDisk(dir); err != nil {
		return err
	}
	path := filepath.Join(dir, "rotatord.db")
	if err := openAndClose(path); err != nil {
		return err
	}
	if err := syscall.Mount("", dir, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		return fmt.Errorf("remounting: %w", err)
	}
	if err := expect(openAndClose(path), rotator.Transient, "read-only file system", "must be able to write"); err != nil {
		return err
	}
	if err := syscall.Mount("", dir, "", syscall.MS_REMOUNT, ""); err != nil {
		return fmt.Errorf("remounting: %w", err)
	}
	return openAndClose(path)
}

// meetForeignFolder opens a journal in a folder where this user may not write. root becomes somebody else for that, as far
// as files go: this one thread is enough, because nothing here leaves it.
func meetForeignFolder(dir string) error {
	runtime.LockOSThread()
	if os.Getuid() == 0 {
		if _, _, errno := syscall.RawSyscall(syscall.SYS_SETFSUID, 65534, 0, 0); errno != 0 {
			return errno
		}
	}
	return expect(openAndClose(filepath.Join(dir, "rotatord.db")), rotator.Transient, "permission denied", "must be able to write")
}

func openAndClose(path string) error {
	s, err := Open(context.Background(), path, Options{})
	if err != nil {
		return err
	}
	return s.Close()
}
