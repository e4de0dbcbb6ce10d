// Command gen writes the parts of the documentation that the packages web and web/metrics can tell: the description of
// the API and the reference of the metrics. Run it with go generate ./web; its test fails when what it would write is
// not what is there.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"github.com/rotatord/rotatord/web"
	"github.com/rotatord/rotatord/web/metrics"
)

func main() {
	root := flag.String("root", ".", "the folder that go.mod is in")
	flag.Parse()
	if err := write(*root); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

func write(root string) error {
	files, err := generate()
	if err != nil {
		return err
	}
	for name, content := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			return err
		}
		if err := os.WriteFile(path, content, 0o644); err != nil { //nolint:gosec // documentation, for everybody to read
			return err
		}
	}
	return nil
}

// generate returns the content of each generated file by its path below the root.
func generate() (map[string][]byte, error) {
	api, err := web.OpenAPI()
	if err != nil {
		return nil, err
	}
	return map[string][]byte{
		"docs/reference/openapi.yaml": api,
		"docs/reference/metrics.md":   metrics.Reference(),
	}, nil
}
