package faults

import (
	"debug/elf"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rotatord/rotatord/test/daemon"
)

// TestBinaryIsStaticAndSmall holds what the image without anything in it rests upon.
func TestBinaryIsStaticAndSmall(t *testing.T) {
	t.Parallel()
	isStaticAndSmall(t, daemon.Binary(t))
}

func isStaticAndSmall(t *testing.T, path string) {
	t.Helper()
	const most = 35 << 20
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Size() > most {
		t.Errorf("%s has %d bytes, want at most %d", path, info.Size(), most)
	}
	f, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
			t.Errorf("%s is not static: it has a program header %s", path, p.Type)
		}
	}
	if libraries, err := f.ImportedLibraries(); len(libraries) > 0 {
		t.Errorf("%s needs %v, %v", path, libraries, err)
	}
}

// TestImageRoot lays out what goes into the container image, in a copy of the source, so that nothing of the tree changes.
func TestImageRoot(t *testing.T) {
	t.Parallel()
	source := t.TempDir()
	copySource(t, filepath.Join("..", ".."), source)
	bundle := filepath.Join(source, "bundle.pem")
	if err := os.WriteFile(bundle, []byte("certificates"), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "make", "-C", source, "image-root", "VERSION=v1.2.3", "CA_BUNDLE="+bundle)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("make image-root: %v\n%s", err, out)
	}
	image := filepath.Join(source, "dist", "image")
	isStaticAndSmall(t, filepath.Join(image, "usr/bin/rotatord"))
	for path, mode := range map[string]os.FileMode{
		"usr/bin/rotatord": 0o755, "etc/ssl/certs/ca-certificates.crt": 0o644, "var/lib/rotatord": os.ModeDir | 0o755,
	} {
		info, err := os.Stat(filepath.Join(image, path))
		if err != nil {
			t.Errorf("the image lacks %s: %v", path, err)
		} else if info.Mode() != mode {
			t.Errorf("%s has mode %s, want %s", path, info.Mode(), mode)
		}
	}
	out, err := exec.CommandContext(t.Context(), filepath.Join(image, "usr/bin/rotatord"), "version").Output()
	if err != nil || !strings.HasPrefix(string(out), "rotatord v1.2.3 ") {
		t.Errorf("its binary says %q, %v", out, err)
	}
}

// copySource copies a source tree without what was built in it.
func copySource(t *testing.T, from, to string) {
	t.Helper()
	err := filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		below, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		switch {
		case entry.IsDir() && slices.Contains([]string{".git", "bin", "dist"}, below):
			return fs.SkipDir
		case entry.IsDir():
			return os.MkdirAll(filepath.Join(to, below), 0o700)
		case !entry.Type().IsRegular():
			return nil
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, below), content, 0o600)
	})
	if err != nil {
		t.Fatalf("copy the source: %v", err)
	}
}
