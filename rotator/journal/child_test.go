package journal

import (
	"fmt"
	"os"
	"os/exec"
	"testing"
)

// childEnv names the role of a test binary that a test started again, childDir the folder it works in.
const (
	childEnv = "ROTATORD_JOURNAL_CHILD"
	childDir = "ROTATORD_JOURNAL_DIR"
)

// children are what a test binary can be started again as: to be killed, or to see a disk of its own.
var children = map[string]func(dir string) error{
	"commit":    commitUntilKilled,
	"full disk": meetFullDisk,
	"read-only": meetReadOnlyDisk,
	"stranger":  meetForeignFolder,
}

func TestMain(m *testing.M) {
	role, ok := children[os.Getenv(childEnv)]
	if !ok {
		os.Exit(m.Run())
	}
	if err := role(os.Getenv(childDir)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func child(t *testing.T, role, dir string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+role, childDir+"="+dir)
	cmd.Stderr = os.Stderr
	return cmd
}
