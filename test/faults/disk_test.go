package faults

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/rotatord/rotatord/test/daemon"
)

// mount puts a small file system of its own under a folder.
func mount(t *testing.T, dir, options string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, options); err != nil {
		t.Fatalf("this test mounts a small file system, to fill it and to make it read-only, and may not: %v\nrun it as root, "+
			"or in a user and mount namespace: unshare --user --map-root-user --mount go test ./test/faults", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Errorf("unmount %s: %v", dir, err)
		}
	})
}

// fill leaves no byte free on the file system of a folder, and returns what frees it.
func fill(t *testing.T, dir string) (free func()) {
	t.Helper()
	filler := filepath.Join(dir, "filler")
	f, err := os.Create(filler)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, size := range []int{1 << 16, 1} {
		for err = nil; err == nil; {
			_, err = f.Write(make([]byte, size))
		}
		if !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("the disk of %s does not fill: %v", dir, err)
		}
	}
	return func() {
		if err := os.Remove(filler); err != nil {
			t.Fatal(err)
		}
	}
}

// breakable puts an ext4 file system of its own under a folder, and returns what makes it read-only in the midst of everything, as the
// kernel does at the first damage that it meets, and what repairs it once nobody has it open.
func breakable(t *testing.T, dir string) (damage, repair func()) {
	t.Helper()
	image := filepath.Join(t.TempDir(), "disk")
	mount := func() { run(t, "mount", "-o", "loop,errors=remount-ro", image, dir) }
	run(t, "truncate", "-s", "32M", image)
	run(t, "mkfs.ext4", "-q", "-F", image)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	mount()
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	damage = func() {
		device := filepath.Base(strings.TrimSpace(run(t, "findmnt", "-n", "-o", "SOURCE", "--mountpoint", dir)))
		if err := os.WriteFile("/sys/fs/ext4/"+device+"/trigger_fs_error", []byte("1"), 0); err != nil {
			t.Fatal(err)
		}
	}
	repair = func() {
		run(t, "umount", dir)
		run(t, "sh", "-c", `e2fsck -fy "$1"; [ $? -le 1 ]`, "sh", image) // 1: what was wrong was put right
		mount()
	}
	return damage, repair
}

func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("this test makes a file system of its own and breaks it, and %s %v fails: %v\n%srun it as root, where loop devices may be used", name, args, err, out)
	}
	return string(out)
}

// remount changes whether the file system of a folder can be written.
func remount(t *testing.T, dir string, flags uintptr) {
	t.Helper()
	daemon.Await(t, recovery, "the moment in which nothing is written, to remount "+dir, func() error {
		return syscall.Mount("", dir, "", syscall.MS_REMOUNT|flags, "")
	})
}
