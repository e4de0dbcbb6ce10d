package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// notInJSON are the commands whose output is no JSON document, and why.
var notInJSON = map[string]string{
	"run":          "it is the daemon: it prints nothing but its log, whose lines are JSON",
	"demo":         "it tells a story while it happens",
	"emulate":      "it is a server: it prints where it listens",
	"healthcheck":  "it says all by its exit code, to what starts containers",
	"seal init":    "what it prints is the key, to be put into a file",
	"audit export": "it prints a document on each line, whatever is asked for",
	"alerts":       "it prints a file for Prometheus",
	"completion":   "it prints scripts for shells",
	"help":         "it is for people",
}

// TestEveryCommandAnswersInJSON holds that for each command some script asks for JSON with the scripts' json command, which reads it.
func TestEveryCommandAnswersInJSON(t *testing.T) {
	asked := askedForJSON(t)
	root := newRoot()
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for _, path := range runnable(root, "") {
		first, _, _ := strings.Cut(path, " ")
		_, alone := notInJSON[path]
		_, whole := notInJSON[first]
		if excepted := alone || whole; excepted == asked[path] {
			t.Errorf("rotatord %s: asked for JSON by a script: %v; in the list of those that print none: %v; want one of both", path, asked[path], excepted)
		}
	}
}

// runnable are the paths of all commands that do something by themselves.
func runnable(cmd *cobra.Command, above string) []string {
	var paths []string
	for _, c := range cmd.Commands() {
		path := strings.TrimSpace(above + " " + c.Name())
		if !c.HasSubCommands() || c.Name() == "freeze" { // which places one
			paths = append(paths, path)
		}
		paths = append(paths, runnable(c, path)...)
	}
	return paths
}

// askedForJSON are the paths of the commands that scripts ask for JSON.
func askedForJSON(t *testing.T) map[string]bool {
	t.Helper()
	scripts, err := filepath.Glob(filepath.Join("testdata", "script", "*.txtar"))
	if err != nil || len(scripts) == 0 {
		t.Fatalf("%d scripts: %v", len(scripts), err)
	}
	asked := map[string]bool{}
	for _, script := range scripts {
		text, err := os.ReadFile(script)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			words := strings.Fields(line)
			if len(words) < 4 || words[0] != "json" || words[2] != "rotatord" {
				continue
			}
			cmd, _, err := newRoot().Find(words[3:])
			if err != nil {
				t.Errorf("%s: %s: %v", script, line, err)
				continue
			}
			asked[strings.TrimPrefix(cmd.CommandPath(), "rotatord ")] = true
		}
	}
	return asked
}
