package docs

import (
	"embed"
	"path"
	"slices"
	"strings"
)

// Operations is operations.md: what to do about each reason that a page, a metric or a message may show. The daemon serves it,
// because whoever needs it may not reach anything else.
//
//go:embed operations.md
var Operations string

//go:embed runbooks/*.md
var runbooks embed.FS

// Runbook is the page about an alert, in Markdown, and whether there is one of that name.
func Runbook(alert string) (string, bool) {
	if !slices.Contains(Alerts(), alert) {
		return "", false
	}
	text, err := runbooks.ReadFile(path.Join("runbooks", alert+".md"))
	return string(text), err == nil
}

// Alerts are the names of the alerts that have a runbook, in their order.
func Alerts() []string {
	entries, err := runbooks.ReadDir("runbooks")
	if err != nil {
		return nil // it is embedded
	}
	var names []string
	for _, e := range entries {
		names = append(names, strings.TrimSuffix(e.Name(), ".md"))
	}
	return names
}
