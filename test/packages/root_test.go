package packages

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// recorder stands in for systemctl: it writes down how it was called. The unit is then as systemd would leave it alone.
const recorder = "#!/bin/sh\necho \"$*\" >>/systemctl.log\n"

// throwAway is a root folder that shows this machine's files; what is changed in it is gone with the test.
type throwAway struct {
	t   *testing.T
	dir string
}

// newRoot lays a layer over this machine's root, with a systemd that seems to run and a systemctl that takes notes.
func newRoot(t *testing.T) *throwAway {
	t.Helper()
	base := t.TempDir()
	r := &throwAway{t: t, dir: filepath.Join(base, "root")}
	for _, name := range []string{"root", "tmp"} {
		if err := os.Mkdir(filepath.Join(base, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	// The layer is kept in memory: it cannot lie on what it covers.
	layer := filepath.Join(base, "tmp")
	r.host("mount", "-t", "tmpfs", "tmpfs", layer)
	t.Cleanup(func() { r.host("umount", layer) })
	for _, name := range []string{"upper", "work"} {
		if err := os.Mkdir(filepath.Join(layer, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	r.host("mount", "-t", "overlay", "overlay", "-o", "lowerdir=/,upperdir="+filepath.Join(layer, "upper")+",workdir="+filepath.Join(layer, "work"), r.dir)
	t.Cleanup(func() { r.host("umount", r.dir) })
	r.write("usr/local/bin/systemctl", recorder)
	r.write("usr/bin/systemctl", recorder)
	if err := os.MkdirAll(r.path("run/systemd/system"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(r.path("dev"), 0o755); err != nil {
		t.Fatal(err)
	}
	r.write("dev/null", "")
	return r
}

func (r *throwAway) path(name string) string { return filepath.Join(r.dir, name) }

func (r *throwAway) write(name, text string) {
	r.t.Helper()
	if err := os.MkdirAll(filepath.Dir(r.path(name)), 0o755); err != nil {
		r.t.Fatal(err)
	}
	_ = os.Remove(r.path(name)) // a link would lead out of the root
	if err := os.WriteFile(r.path(name), []byte(text), 0o755); err != nil {
		r.t.Fatal(err)
	}
}

// host runs a command on this machine.
func (r *throwAway) host(name string, args ...string) {
	r.t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		r.t.Fatalf("%s %s: %v\n%s\nthis test lays out a root folder of its own, for which it has to be root", name, strings.Join(args, " "), err, out)
	}
}

// run runs a command in the root, and returns what it printed.
func (r *throwAway) run(name string, args ...string) string {
	r.t.Helper()
	cmd := exec.CommandContext(r.t.Context(), "chroot", append([]string{r.dir, name}, args...)...)
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/", "LC_ALL=C.UTF-8", "DEBIAN_FRONTEND=noninteractive"}
	out, err := cmd.CombinedOutput()
	if err != nil {
		r.t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// asked returns what systemctl was called with since it was asked for last.
func (r *throwAway) asked() string {
	r.t.Helper()
	text, err := os.ReadFile(r.path("systemctl.log"))
	if err != nil && !os.IsNotExist(err) {
		r.t.Fatal(err)
	}
	_ = os.Remove(r.path("systemctl.log")) // it may not be there
	return strings.ReplaceAll(strings.TrimSpace(string(text)), "\n", "; ")
}

func (r *throwAway) exists(name string) bool {
	_, err := os.Lstat(r.path(name))
	return err == nil
}
