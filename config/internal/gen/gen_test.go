package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// TestGeneratedFilesAreFresh fails when the structs of the package config changed and go generate was not run.
func TestGeneratedFilesAreFresh(t *testing.T) {
	root := filepath.Join("..", "..", "..")
	files, err := generate(root)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range files {
		got, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s is not what the structs say: run go generate ./config", name)
		}
	}
}

func TestEveryFieldIsDocumented(t *testing.T) {
	words, err := comments(filepath.Join("..", "..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range sectionsOf("", configType) {
		if words[s.kind.Name()] == "" {
			t.Errorf("the type %s has no comment", s.kind.Name())
		}
		for _, o := range optionsOf(s.kind) {
			if words[s.kind.Name()+"."+o.goName] == "" {
				t.Errorf("the field %s of %s has no comment", o.goName, s.kind.Name())
			}
		}
	}
}

func TestMissingSourcesAreAnError(t *testing.T) {
	if _, err := generate(t.TempDir()); err == nil {
		t.Fatal("want an error for a folder without sources")
	}
}
