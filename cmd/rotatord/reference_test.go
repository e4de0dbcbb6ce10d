package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

//go:generate go test . -run TestCommandReferenceIsFresh -update

var update = flag.Bool("update", false, "write docs/reference/cli.md")

// TestCommandReferenceIsFresh compares docs/reference/cli.md with the commands as they are.
func TestCommandReferenceIsFresh(t *testing.T) {
	for _, name := range []string{"ROTATORD_SERVER", "VAULT_ADDR", "VAULT_TOKEN"} {
		t.Setenv(name, "") // flags have them as defaults
	}
	got := reference(newRoot())
	path := filepath.Join("..", "..", "docs", "reference", "cli.md")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("docs/reference/cli.md is stale; run: go test ./cmd/rotatord -run CommandReference -update\n%s", diff)
	}
}

// TestEveryCommandSaysWhatItDoes keeps the reference from having holes.
func TestEveryCommandSaysWhatItDoes(t *testing.T) {
	for _, c := range documented(newRoot()) {
		if c.Short == "" || strings.HasSuffix(c.Short, ".") {
			t.Errorf("%s: its short text %q is missing, or ends in a full stop that help does not want", c.CommandPath(), c.Short)
		}
		c.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if f.Usage == "" {
				t.Errorf("%s: --%s is not explained", c.CommandPath(), f.Name)
			}
		})
	}
}

const referenceHead = `# Commands

Generated from the commands by ` + "`go test ./cmd/rotatord -run CommandReference -update`" + `; do not edit.

Every command takes ` + "`--help`" + `. What acts on a running daemon goes through its HTTP API, at ` + "`--server`" + `. With ` + "`-o json`" + ` the answer is JSON
on standard output; errors are words on standard error. ` + "`rotatord completion bash|zsh|fish|powershell`" + ` prints a completion script.

| exit code | means |
|---|---|
| %d | fine |
| %d | failed |
| %d | the command line or the configuration is wrong |
| %d | something needs a person |
`

// reference is the whole page.
func reference(root *cobra.Command) string {
	var b bytes.Buffer
	fmt.Fprintf(&b, referenceHead, exitFine, exitFailed, exitUsage, exitPerson)
	b.WriteString("\n## Flags of every command\n\n")
	writeFlags(&b, root.PersistentFlags())
	b.WriteString("\n| command | |\n|---|---|\n")
	commands := documented(root)
	for _, c := range commands {
		anchor := strings.ReplaceAll(c.CommandPath(), " ", "-")
		fmt.Fprintf(&b, "| [`%s`](#%s) | %s |\n", strings.TrimPrefix(c.CommandPath(), root.Name()+" "), anchor, c.Short)
	}
	for _, c := range commands {
		writeCommand(&b, c)
	}
	return b.String()
}

// documented lists every command below c but those that cobra brings along, in the order of help.
func documented(c *cobra.Command) []*cobra.Command {
	var all []*cobra.Command
	for _, sub := range c.Commands() {
		if sub.Hidden || sub.Name() == "help" || sub.Name() == "completion" {
			continue
		}
		all = append(append(all, sub), documented(sub)...)
	}
	return all
}

func writeCommand(b *bytes.Buffer, c *cobra.Command) {
	fmt.Fprintf(b, "\n## %s\n\n", c.CommandPath())
	text := c.Long
	if text == "" {
		text = c.Short + "."
	}
	fmt.Fprintf(b, "%s\n", strings.TrimSpace(text))
	if c.Runnable() {
		fmt.Fprintf(b, "\n```\n%s\n```\n", c.UseLine())
	}
	if c.LocalNonPersistentFlags().HasFlags() {
		b.WriteString("\n")
		writeFlags(b, c.LocalNonPersistentFlags())
	}
	if c.Example != "" {
		fmt.Fprintf(b, "\n```sh\n%s\n```\n", unindented(c.Example))
	}
}

func writeFlags(b *bytes.Buffer, flags *pflag.FlagSet) {
	b.WriteString("| flag | default | |\n|---|---|---|\n")
	flags.VisitAll(func(f *pflag.Flag) {
		name := "`--" + f.Name
		if kind, _ := pflag.UnquoteUsage(f); kind != "" {
			name += " " + kind
		}
		name += "`"
		if f.Shorthand != "" {
			name = "`-" + f.Shorthand + "`, " + name
		}
		byDefault := "–"
		if f.DefValue != "" {
			byDefault = "`" + f.DefValue + "`"
		}
		fmt.Fprintf(b, "| %s | %s | %s |\n", name, byDefault, f.Usage)
	})
}

func unindented(example string) string {
	lines := strings.Split(example, "\n")
	for i, l := range lines {
		lines[i] = strings.TrimSpace(l)
	}
	return strings.Join(lines, "\n")
}
