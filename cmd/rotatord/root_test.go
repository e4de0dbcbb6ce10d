package main

import (
	"errors"
	"strings"
	"testing"
)

// Names come from providers, where other people choose them, and are printed to terminals.
func TestForeignTextCannotSteerATerminal(t *testing.T) {
	var out strings.Builder
	line(&out, "%s\t%s\t%v\t%d", "a\x1b[2Jb\nc", "tab\there", errors.New("x\r\u202ey\x9b1m"), 7)
	if got, want := out.String(), "a\ufffd[2Jb\ufffdc\ttab\there\tx\ufffd\ufffdy\ufffd1m\t7\n"; got != want {
		t.Errorf("printed %q, want %q", got, want)
	}
	if got := tame("first\nsecond\x07", "\t\n"); got != "first\nsecond\ufffd" {
		t.Errorf("an error of two lines became %q", got)
	}
}
