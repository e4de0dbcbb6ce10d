package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// TestGeneratedFilesAreFresh fails when the code changed and go generate was not run.
func TestGeneratedFilesAreFresh(t *testing.T) {
	files, err := generate()
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range files {
		got, err := os.ReadFile(filepath.Join("..", "..", "..", name))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s is not what the code says: run go generate ./web", name)
		}
	}
}

// TestGenerationIsStable guards against a map's order in a generated file.
func TestGenerationIsStable(t *testing.T) {
	first, err := generate()
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		again, err := generate()
		if err != nil {
			t.Fatal(err)
		}
		for name := range first {
			if !bytes.Equal(first[name], again[name]) {
				t.Fatalf("%s comes out differently each time", name)
			}
		}
	}
}

func TestWriteToAFreshFolder(t *testing.T) {
	root := t.TempDir()
	if err := write(root); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"openapi.yaml", "metrics.md"} {
		if info, err := os.Stat(filepath.Join(root, "docs", "reference", name)); err != nil || info.Size() == 0 {
			t.Errorf("%s was not written: %v", name, err)
		}
	}
}
