// Command gen writes the Grafana dashboards in deploy/grafana. Run it with go generate ./deploy/grafana/...; its test fails when
// what it would write is not what is there.
package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

//go:generate go run . -dir ..

func main() {
	dir := flag.String("dir", ".", "the folder of the dashboards")
	flag.Parse()
	if err := write(*dir); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

// files are the dashboards by the name of their file.
func files() (map[string][]byte, error) {
	made := map[string][]byte{}
	for _, d := range []dashboard{overview(), perProvider()} {
		var b bytes.Buffer
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		if err := e.Encode(d); err != nil {
			return nil, err
		}
		made[d.UID+".json"] = b.Bytes()
	}
	return made, nil
}

func write(dir string) error {
	made, err := files()
	if err != nil {
		return err
	}
	for name, text := range made {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil { //nolint:gosec // for everybody to read
			return err
		}
	}
	return nil
}
