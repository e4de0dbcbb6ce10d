package realserver

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// binary returns the path of the server's binary, which is built when this machine does not have it yet.
func binary(t testing.TB, name string) string {
	t.Helper()
	root, err := moduleRoot()
	if err != nil {
		t.Fatalf("find test/servers/build, which makes the %s server: %v", name, err)
	}
	build := filepath.Join(root, "test", "servers", "build")
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(t.Context(), build, name) //nolint:gosec // our own script
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("there is no %s server to test against: %v\n%s\nmake it with: %s %s", name, err, errs.String(), build, name)
	}
	return strings.TrimSpace(out.String())
}

// moduleRoot is the nearest folder with a go.mod, seen from the folder that the test runs in: its package's.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("no go.mod in this folder or above it")
		}
		dir = parent
	}
}
