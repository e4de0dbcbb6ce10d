package tools

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// target is a package with a fuzz target that does that with what it is fed.
func target(body string) string {
	return "package a\n\nimport \"testing\"\n\nfunc FuzzOne(f *testing.F) {\n\tf.Add(\"seed\")\n\tf.Fuzz(func(t *testing.T, in string) { " + body + " })\n}\n"
}

// fuzzed lays out a repository of the script and those files, runs the script there, and returns what it says.
func fuzzed(t *testing.T, time string, files map[string]string) (said string, err error) {
	t.Helper()
	script, err := os.ReadFile("fuzz")
	if err != nil {
		t.Fatal(err)
	}
	files["tools/fuzz"], files["go.mod"] = string(script), "module fuzzed\n\ngo 1.26\n"
	dir := t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := exec.CommandContext(t.Context(), "git", "-C", dir, "init", "-q").CombinedOutput(); err != nil {
		t.Fatalf("git init: %v\n%s", err, out)
	}
	out, err := exec.CommandContext(t.Context(), filepath.Join(dir, "tools/fuzz"), time).CombinedOutput()
	return string(out), err
}

func says(t *testing.T, said string, words ...string) {
	t.Helper()
	for _, w := range words {
		if !strings.Contains(said, w) {
			t.Errorf("it does not say %q:\n%s", w, said)
		}
	}
}

func TestFuzzShowsTheInputThatFails(t *testing.T) {
	said, err := fuzzed(t, "10s", map[string]string{
		"a/a_test.go": target(`if len(in) > 4 { t.Fatal("too long for us") }`), "b/b_test.go": strings.Replace(target("_ = in"), "One", "Other", 1),
	})
	if err == nil {
		t.Error("it succeeds")
	}
	says(t, said, "FAIL  a FuzzOne", "too long for us", "The input that failed, a/testdata/fuzz/FuzzOne/", "go test fuzz v1\nstring(",
		`Try it again: go test ./a -run "^FuzzOne/`, "fuzz: failed: a FuzzOne", "ok    b FuzzOther  execs: ")
}

func TestFuzzShowsASeedThatFails(t *testing.T) {
	said, err := fuzzed(t, "1s", map[string]string{"a/a_test.go": target(`t.Fatal("not even that")`)})
	if err == nil {
		t.Error("it succeeds")
	}
	says(t, said, "FAIL  a FuzzOne", "not even that", "seed#0", "fuzz: failed: a FuzzOne")
}

func TestFuzzSucceeds(t *testing.T) {
	said, err := fuzzed(t, "1s", map[string]string{"a/a_test.go": target("_ = in")})
	if err != nil {
		t.Error(err)
	}
	says(t, said, "fuzz: 1 targets, 1s each", "ok    a FuzzOne  execs: ")
}

func TestFuzzRefusesToLeaveATargetOut(t *testing.T) {
	said, err := fuzzed(t, "1s", map[string]string{
		"a/a_test.go": target("_ = in"), "a/b_test.go": "//go:build never\n\n" + strings.Replace(target("_ = in"), "One", "Other", 1),
	})
	if err == nil {
		t.Error("it succeeds")
	}
	says(t, said, "1 targets, and 2 are written")
}

func TestFuzzRefusesATimeThatIsNone(t *testing.T) {
	said, err := fuzzed(t, "soon", map[string]string{})
	if err == nil {
		t.Error("it succeeds")
	}
	says(t, said, "soon is no time such as 30s or 2m")
}
