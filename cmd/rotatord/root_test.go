package main

import (
	"encoding/json"
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
	if err := errors.Join(rows.add(rotator.UserDetails{ServiceUser: rotator.ServiceUser{ID: "1", Name: "a\tactive\x1b[8m"}}), rows.end(true)); err != nil {
		t.Fatal(err)
	}
	if strings.ContainsAny(out.String(), "\t\x1b") || !strings.Contains(out.String(), "a\ufffdactive\ufffd[8m") {
		t.Errorf("printed %q", out.String())
	}
}

// A list that ends early must not be taken for the whole one, whether it is read by a person or a program.
func TestAListOfUsersThatIsNotComplete(t *testing.T) {
	ada := rotator.UserDetails{ServiceUser: rotator.ServiceUser{ID: "1", Name: "=ada", Active: true}, Kind: rotator.ServiceKind,
		Attributes: []rotator.Attribute{{Name: "container", Values: []string{"5"}}, {Name: "roles", Values: []string{"1", "5"}}}}
	const head = "id,name,email,kind,status,login,last_login,attributes\n"
	for _, tc := range []struct {
		format   string
		users    []rotator.UserDetails
		complete bool
		want     string
	}{
		{"table", nil, true, "no users\n"},
		{"table", nil, false, ""},
		{"csv", nil, true, head},
		{"csv", nil, false, ""},
		{"csv", []rotator.UserDetails{ada}, false, head + "1,'=ada,,service,,,,\"container=5; roles=1,5\"\n"},
		{"json", nil, true, "[]\n"},
		{"json", nil, false, ""},
	} {
		if got := printedUsers(t, tc.format, tc.complete, tc.users...); got != tc.want {
			t.Errorf("%s, complete %v: printed %q, want %q", tc.format, tc.complete, got, tc.want)
		}
	}
	var back []rotator.UserDetails
	if err := json.Unmarshal([]byte(printedUsers(t, "json", true, ada, ada)), &back); err != nil || len(back) != 2 || back[1].Name != ada.Name || !back[1].Active {
		t.Errorf("read back %+v, %v", back, err)
	}
	if cut := printedUsers(t, "json", false, ada); json.Valid([]byte(cut)) || !strings.Contains(cut, `"id": "1"`) {
		t.Errorf("a list that was cut short prints %s", cut)
	}
}

func printedUsers(t *testing.T, format string, complete bool, users ...rotator.UserDetails) string {
	t.Helper()
	var out strings.Builder
	rows, err := newUserRows(format, &out)
	for _, u := range users {
		err = errors.Join(err, rows.add(u))
	}
	if err = errors.Join(err, rows.end(complete)); err != nil {
		t.Fatal(err)
	}
	return out.String()
}
