package daemon

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/rotatord/rotatord/test/child"
)

// built is where the binary is built to: a folder that [Main] makes and removes.
var built string

// Main runs the tests of a package and removes what was built for them. Call it from TestMain.
func Main(m *testing.M) {
	os.Exit(Run(m))
}

// Run is [Main] for a package that has more to do around its tests: it returns the exit code.
func Run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "rotatord-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, "make a folder for the binary:", err)
		return 1
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a folder left in the temporary folder does no harm
	built = dir
	return m.Run()
}

// Version is what the binary says of itself.
const Version = "under-test"

// build makes the binary as "make build" does, once for each test process.
var build = sync.OnceValues(func() (string, error) {
	if built == "" {
		return "", errors.New("the package's TestMain must call daemon.Main")
	}
	root, err := child.ModuleRoot()
	if err != nil {
		return "", err
	}
	if err := nameSources(root); err != nil {
		return "", err
	}
	target := filepath.Join(built, "rotatord")
	cmd := exec.CommandContext(context.Background(), "go", "build", "-trimpath", "-ldflags", "-s -w -X main.version="+Version, "-o", target, "./cmd/rotatord") //nolint:gosec // our own source
	cmd.Dir, cmd.Env = root, append(os.Environ(), "CGO_ENABLED=0")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%w\n%s", err, out.String())
	}
	return target, nil
})

// nameSources looks at all that the binary is made of. The go command remembers results of tests, and which files they looked
// at; what programs look at that they start it does not see, and would show an old result for a new binary.
func nameSources(root string) error {
	return filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (entry.Name()[0] == '.' || entry.Name() == "bin") && path != root:
			return fs.SkipDir
		case entry.IsDir():
			return nil
		}
		_, err = os.Stat(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil // a temporary file of an editor's
		}
		return err
	})
}

// Binary returns the path of the binary under test.
func Binary(t testing.TB) string {
	t.Helper()
	path, err := build()
	if err != nil {
		t.Fatalf("build rotatord: %v", err)
	}
	return path
}
