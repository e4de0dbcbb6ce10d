package main

import (
	"errors"
	"strings"
	"testing"

	"github.com/rotatord/rotatord/rotator"
)

// Names come from providers, where other people choose them, and are printed to terminals.
func TestForeignTextCannotSteerATerminal(t *testing.T) {
	var out strings.Builder
	line(&out, "%s\t%s\t%v\t%d", "a\x1b[2Jb\nc", "tab\there", errors.New("x\r\u202ey\x9b1m"), 7)
	if got, want := out.String(), "a\ufffd[2Jb\ufffdc\ttab\there\tx\ufffd\ufffdy\ufffd1m\t7\n"; got != want {
		t.Errorf("printed %q, want %q", got, want)
	}
}

// A tab in a name would make one cell two, and an escape could hide a row.
func TestAUsersNameStaysInItsCell(t *testing.T) {
	var out strings.Builder
	rows, err := newUserRows("table", &out)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(rows.add(rotator.UserDetails{ServiceUser: rotator.ServiceUser{ID: "1", Name: "a\tactive\x1b[8m"}}), rows.end()); err != nil {
		t.Fatal(err)
	}
	if strings.ContainsAny(out.String(), "\t\x1b") || !strings.Contains(out.String(), "a\ufffdactive\ufffd[8m") {
		t.Errorf("printed %q", out.String())
	}
}
