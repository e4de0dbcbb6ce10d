package daemon

import (
	"regexp"
	"strings"

	"github.com/rotatord/rotatord/test/child"
)

// output is what the daemon prints.
type output struct{ child.Output }

// runningLine is what the daemon logs once it listens; in both log formats the fields are JSON.
var runningLine = regexp.MustCompile(`rotatord is (?:running|waiting for its seal key).*"listen":\s*"([^"]+)"`)

// address finds where the daemon listens; empty while it has not said so.
func (o *output) address() string {
	found := runningLine.FindStringSubmatch(o.String())
	if found == nil {
		return ""
	}
	return found[1]
}

// tail is the end of a text, for messages.
func tail(text string, lines int) string {
	all := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}
