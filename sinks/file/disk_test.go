package file

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rotatord/rotatord/rotator"
)

// mount puts a small file system of its own under a folder of the test, because nothing else is really full or read-only for root.
func mount(t *testing.T, options string) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, options); err != nil {
		t.Fatalf("this test mounts a small file system, to fill it and to make it read-only, and may not: %v\nrun it as root, "+
			"or in a user and mount namespace: unshare --user --map-root-user --mount go test -run 'Disk|Inodes' ./sinks/file", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Errorf("unmount %s: %v", dir, err)
		}
	})
	return dir
}

func TestFullDisk(t *testing.T) {
	dir := mount(t, "size=64k")
	s := newSink(t, Options{Path: dir + "/keys/{{.ServiceUser}}"})
	first := delivery(t, s, 1)
	deliver(t, s, first)
	filler := filepath.Join(dir, "filler")
	if err := os.WriteFile(filler, make([]byte, 1<<20), 0o600); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("the disk did not fill: %v", err)
	}
	before := names(t, dir+"/keys")
	second := delivery(t, s, 2)
	for range 3 {
		refused(t, s, second, rotator.Transient, "the disk is full")
	}
	if got := content(t, first.Location); got != secret+"-1" {
		t.Errorf("the full disk left %q", got)
	}
	if diff := cmp.Diff(before, names(t, dir+"/keys")); diff != "" {
		t.Errorf("failed deliveries left something behind: %s", diff)
	}
	if got, err := s.Observe(t.Context(), first.Coordinates, first.Location); err != nil || !got.Ours || got.Version != 1 {
		t.Errorf("on the full disk %+v is observed, %v", got, err)
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	deliver(t, s, second)
	if got := content(t, second.Location); got != secret+"-2" {
		t.Errorf("with space again there is %q", got)
	}
}

func TestNoInodesLeft(t *testing.T) {
	dir := mount(t, "nr_inodes=3")
	s := newSink(t, Options{Path: dir + "/keys/{{.ServiceUser}}"})
	d := delivery(t, s, 1)
	refused(t, s, d, rotator.Transient, "inodes")
	if _, err := os.Stat(d.Location); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the file is there in part: %v", err)
	}
}

func TestReadOnlyDisk(t *testing.T) {
	dir := mount(t, "size=1m")
	s := newSink(t, Options{Path: dir + "/keys/{{.ServiceUser}}"})
	first, second := delivery(t, s, 1), delivery(t, s, 2)
	deliver(t, s, first)
	remount(t, dir, syscall.MS_RDONLY)
	refused(t, s, second, rotator.Transient, "read-only")
	if err := s.Ping(t.Context()); rotator.KindOf(err) != rotator.Transient || !strings.Contains(err.Error(), "read-only") {
		t.Errorf("on the read-only disk, Ping says %v", err)
	}
	if got, err := s.Observe(t.Context(), first.Coordinates, first.Location); err != nil || got.Version != 1 {
		t.Errorf("on the read-only disk %+v is observed, %v", got, err)
	}
	deliver(t, s, first) // already there: nothing has to be written
	remount(t, dir, 0)
	deliver(t, s, second)
}

func remount(t *testing.T, dir string, flags uintptr) {
	t.Helper()
	if err := syscall.Mount("", dir, "", syscall.MS_REMOUNT|flags, ""); err != nil {
		t.Fatal(err)
	}
}

// TestNoPermission takes root's powers over files away from one thread, for as long as it delivers.
func TestNoPermission(t *testing.T) {
	dir := t.TempDir()
	if err := errors.Join(os.Chmod(filepath.Dir(dir), 0o755), os.Chmod(dir, 0o755)); err != nil {
		t.Fatal(err)
	}
	s := newSink(t, Options{Path: dir + "/{{.ServiceUser}}"})
	d := delivery(t, s, 1)
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		if err = syscall.Setfsuid(65534); err == nil {
			_, err = s.Deliver(t.Context(), d)
		}
	}()
	<-done
	if rotator.KindOf(err) != rotator.Denied || !strings.Contains(fmt.Sprint(err), "permission") {
		t.Errorf("without permission the delivery ended with %v", err)
	}
	if left := names(t, dir); len(left) != 0 {
		t.Errorf("it left %v", left)
	}
}

func TestClassify(t *testing.T) {
	for _, test := range []struct {
		err  error
		want rotator.Kind
	}{
		{syscall.ENOSPC, rotator.Transient}, {syscall.EDQUOT, rotator.Transient}, {syscall.EROFS, rotator.Transient},
		{syscall.EIO, rotator.Transient}, {syscall.ESTALE, rotator.Transient}, {syscall.ENOENT, rotator.Transient},
		{syscall.EACCES, rotator.Denied}, {syscall.EPERM, rotator.Denied}, {syscall.ENAMETOOLONG, rotator.Invalid},
		{syscall.ELOOP, rotator.Invalid}, {syscall.ENOTDIR, rotator.Conflict}, {syscall.EISDIR, rotator.Conflict},
		{syscall.ENOTEMPTY, rotator.Conflict}, {rotator.NewFault("x", rotator.Gone, "y"), rotator.Gone},
	} {
		if got := rotator.KindOf(classify("op", &fs.PathError{Op: "open", Path: "x", Err: test.err})); got != test.want {
			t.Errorf("%v is %s, want %s", test.err, got, test.want)
		}
	}
}
