package test

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write docs/licences.md anew")

const licencesPage = "../docs/licences.md"

// licence is one that may be in the binary, and the words that tell it from others.
type licence struct {
	name  string
	words *regexp.Regexp
}

// allowed are the licences that a binary under Apache 2.0 may hold: they ask for notices, not for conditions on the rest. MPL-2.0 is
// about its own files, which are used unchanged.
var allowed = []licence{
	{"Apache-2.0", regexp.MustCompile(`Apache License,?\s+(\(the "License"\)\s+)?Version 2\.0`)},
	{"BSD-2-Clause", regexp.MustCompile(`(?is)Redistribution and use in source and binary forms`)},
	{"BSD-3-Clause", regexp.MustCompile(`(?is)Redistribution and use in source and binary forms.*(name|names)\s+of.*(may|be)\s+(not\s+be\s+)?used\s+to\s+endorse`)},
	{"ISC", regexp.MustCompile(`(?is)Permission to use, copy, modify, and(/or)? distribute this software`)},
	{"MIT", regexp.MustCompile(`(?is)Permission is hereby granted, free of charge, to any person`)},
	{"MPL-2.0", regexp.MustCompile(`(?is)Mozilla Public License,? version 2\.0`)},
	{"public domain", regexp.MustCompile(`(?is)(dedicated\s+to|in)\s+the\s+public\s+domain|disclaims?\s+copyright`)},
}

// refusedWords begin licences that ask for more than a notice.
var refusedWords = []string{
	"GNU GENERAL PUBLIC LICENSE", "GNU LESSER GENERAL PUBLIC LICENSE", "GNU AFFERO GENERAL PUBLIC LICENSE", "Business Source License",
	"Server Side Public License", "Commons Clause", "Elastic License",
}

// unrelated are files beside a licence that are about nothing in the binary.
var unrelated = []string{"LICENSE-LOGO"}

// judge names the licences in a text, or says what is wrong with it.
func judge(text string) ([]string, error) {
	for _, words := range refusedWords {
		if strings.Contains(text, words) {
			return nil, fmt.Errorf("holds the %s", words)
		}
	}
	var found []string
	for _, l := range allowed {
		if l.words.MatchString(text) {
			found = append(found, l.name)
		}
	}
	if slices.Contains(found, "BSD-3-Clause") {
		found = slices.DeleteFunc(found, func(name string) bool { return name == "BSD-2-Clause" })
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("is none of those that are allowed")
	}
	return found, nil
}

// dependency is one that is linked into the binary.
type dependency struct{ path, version, folder string }

func linked(t *testing.T) []dependency {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", `{{with .Module}}{{.Path}} {{.Version}} {{.Dir}}{{end}}`, "./cmd/rotatord")
	cmd.Dir = ".."
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	seen := map[string]dependency{}
	for line := range strings.Lines(string(out)) {
		if part := strings.Fields(line); len(part) == 3 { // the product itself has no version
			seen[part[0]] = dependency{part[0], part[1], part[2]}
		}
	}
	var all []dependency
	for _, m := range seen {
		all = append(all, m)
	}
	slices.SortFunc(all, func(a, b dependency) int { return strings.Compare(a.path, b.path) })
	return all
}

var licenceFile = regexp.MustCompile(`(?i)^(licen[cs]e|copying|unlicen[cs]e)([.-].*)?$`)

// licences returns the names of the licences of a module.
func (m dependency) licences() ([]string, error) {
	entries, err := os.ReadDir(m.folder)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if e.IsDir() || !licenceFile.MatchString(e.Name()) || slices.Contains(unrelated, e.Name()) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(m.folder, e.Name()))
		if err != nil {
			return nil, err
		}
		found, err := judge(string(text))
		if err != nil {
			return nil, fmt.Errorf("%s %w", e.Name(), err)
		}
		names = append(names, found...)
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("has no file with a licence")
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// TestLicences lists what is linked into the binary, and fails on a licence that is not allowed.
func TestLicences(t *testing.T) {
	var b strings.Builder
	b.WriteString("# Licences\n\nWhat is linked into the binary, with the licences in each module. Generated: `make licences`. The product itself is under the\n" +
		"[Apache License 2.0](../LICENSE); Go's standard library under BSD-3-Clause.\n\n| module | version | licence |\n|---|---|---|\n")
	modules := linked(t)
	if len(modules) < 20 {
		t.Fatalf("only %d modules: this test looks in the wrong place", len(modules))
	}
	for _, m := range modules {
		names, err := m.licences()
		if err != nil {
			t.Errorf("%s %s: %v; see whether the binary may hold it", m.path, m.version, err)
			continue
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", m.path, m.version, strings.Join(names, ", "))
	}
	if *update {
		if err := os.WriteFile(licencesPage, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	page, err := os.ReadFile(licencesPage)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(page), b.String()); diff != "" {
		t.Errorf("docs/licences.md is stale; run make licences (-page +now):\n%s", diff)
	}
}

func TestLicencesAreJudged(t *testing.T) {
	for text, want := range map[string]string{
		"Apache License\n Version 2.0, January 2004":                                                      "Apache-2.0",
		"Permission is hereby granted, free of charge, to any person":                                     "MIT",
		"Redistribution and use in source and binary forms, with or without":                              "BSD-2-Clause",
		"Redistribution and use in source and binary forms\nNeither the name of X may be used to endorse": "BSD-3-Clause",
		"Mozilla Public License, version 2.0\n... GNU General Public License, Version 2.0":                "MPL-2.0",
		"GNU GENERAL PUBLIC LICENSE\nVersion 3":                                                           "",
		"Business Source License 1.1":                                                                     "",
		"All rights reserved. Ask us for a copy":                                                          "",
		"":                                                                                                "",
	} {
		names, err := judge(text)
		if got := strings.Join(names, " "); got != want || (err != nil) != (want == "") {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
}
