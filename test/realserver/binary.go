package realserver

import (
	"bytes"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rotatord/rotatord/test/child"
)

// binary returns the path of the server's binary, which is built when this machine does not have it yet.
func binary(t testing.TB, name string) string {
	t.Helper()
	root, err := child.ModuleRoot()
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
