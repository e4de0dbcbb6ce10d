// Command gen writes the reference of the configuration file and its JSON Schema, both from the structs of the package
// config. Run it with go generate ./config; its test fails when what it would write is not what is there.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/invopop/jsonschema"
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
	files, err := generate(root)
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

// generate returns the content of each generated file by its path below root.
func generate(root string) (map[string][]byte, error) {
	words, err := comments(root)
	if err != nil {
		return nil, err
	}
	schema, err := schemaOf(words)
	if err != nil {
		return nil, err
	}
	return map[string][]byte{
		"config/schema.json":       schema,
		"docs/reference/config.md": referenceOf(words),
	}, nil
}

// glossary holds the comments of types (Config) and fields (Config.Server) of the package config.
type glossary map[string]string

// comments reads the sources of the package config.
func comments(root string) (glossary, error) {
	var r jsonschema.Reflector
	dir := filepath.Join(root, "config")
	if err := r.AddGoComments("", dir, jsonschema.WithFullComment()); err != nil {
		return nil, err
	}
	words := glossary{}
	for name, text := range r.CommentMap {
		if short, ours := strings.CutPrefix(name, dir+"."); ours {
			words[short] = text
		}
	}
	if words["Config"] == "" {
		return nil, fmt.Errorf("no comments found in %s", dir)
	}
	return words, nil
}
