package main

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

var manual = flag.String("man", "", "write the manual pages into this folder, for packages and archives")

// TestManualPages makes a page for each command. The pages are part of the packages and made by this test, so that what
// makes them is not linked into the program. Their date is SOURCE_DATE_EPOCH, if that is set.
func TestManualPages(t *testing.T) {
	for _, name := range []string{"ROTATORD_SERVER", "ROTATORD_TOKEN_FILE", "VAULT_ADDR", "VAULT_TOKEN"} {
		t.Setenv(name, "") // flags have them as defaults
	}
	dir := t.TempDir()
	if *manual != "" {
		dir = *manual
	}
	root := newRoot()
	header := &doc.GenManHeader{Section: "1", Source: "rotatord", Manual: "rotatord manual"}
	if err := doc.GenManTree(undated(root), header, dir); err != nil {
		t.Fatal(err)
	}
	for _, c := range append(documented(root), root) {
		name := strings.ReplaceAll(c.CommandPath(), " ", "-") + ".1"
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Errorf("%s has no page: %v", c.CommandPath(), err)
			continue
		}
		if plain := strings.ReplaceAll(string(text), `\`, ""); !strings.Contains(plain, c.Short) {
			t.Errorf("%s does not say what the command does: %s", name, c.Short)
		}
	}
}

// undated leaves out the line that says when a page was made, and by what.
func undated(c *cobra.Command) *cobra.Command {
	c.DisableAutoGenTag = true
	for _, sub := range c.Commands() {
		undated(sub)
	}
	return c
}
