//go:build linux

package command_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rotatord/rotatord/hooks"
	"github.com/rotatord/rotatord/hooks/command"
	"github.com/rotatord/rotatord/rotator"
)

// The test binary is the program that is run: what it does is its first argument.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		if do, ok := programs[os.Args[1]]; ok {
			do()
			return
		}
	}
	os.Exit(m.Run())
}

// report is what a program saw of itself.
type report struct {
	Args, Env []string
	Dir       string
	Group     bool
	Files     []string
	Event     hooks.Event
}

var programs = map[string]func(){
	"report": func() {
		r := report{Args: os.Args, Env: os.Environ(), Group: syscall.Getpgrp() == os.Getpid()}
		r.Dir, _ = os.Getwd()
		open, _ := os.ReadDir("/proc/self/fd")
		for _, f := range open {
			to, err := os.Readlink("/proc/self/fd/" + f.Name())
			if err == nil && strings.HasSuffix(to, "/journal") {
				r.Files = append(r.Files, to)
			}
		}
		if err := json.NewDecoder(os.Stdin).Decode(&r.Event); err != nil {
			fail(err)
		}
		text, _ := json.Marshal(r)
		if err := os.WriteFile(os.Args[2], text, 0o600); err != nil {
			fail(err)
		}
	},
	"fail":  func() { fmt.Println("the key is S3CRET"); os.Exit(3) },
	"chat":  func() { _, _ = io.Copy(os.Stderr, io.LimitReader(endless{}, 10<<20)); fail(errors.New("the end")) },
	"hang":  func() { leave(os.Args[2]); select {} },
	"leave": func() { leave(os.Args[2]) },
	"deaf":  func() {},
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return copy(p, slices.Repeat([]byte("x"), len(p))), nil }

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// leave starts a child that outlives the program, and writes its number into a file.
func leave(file string) {
	p, err := os.StartProcess("/bin/sleep", []string{"sleep", "600"}, &os.ProcAttr{Files: []*os.File{nil, os.Stdout, os.Stderr}})
	if err == nil {
		err = os.WriteFile(file+".new", []byte(strconv.Itoa(p.Pid)), 0o600)
	}
	if err == nil {
		err = os.Rename(file+".new", file)
	}
	if err != nil {
		fail(err)
	}
}

func caller(t *testing.T, keep bool, args ...string) *command.Caller {
	t.Helper()
	c, err := command.New(command.Options{Argv: append([]string{os.Args[0]}, args...), KeepOutput: keep})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func call(users ...string) hooks.Call {
	k := hooks.Call{ID: "r1/2/reload", Hook: "reload"}
	for i, u := range users {
		k.Runs = append(k.Runs, rotator.HookRun{ID: fmt.Sprint("r", i+1, "/2/reload"), Hook: "reload", ServiceUser: u, Version: 2,
			CredentialID: rotator.CredentialID{Provider: "cc", UserID: "7", Base: "ci"}})
	}
	return k
}

// TestAProgramGetsItsArgumentsAndTheEventAndNothingElse: no shell, no environment, no open files of the daemon.
func TestAProgramGetsItsArgumentsAndTheEventAndNothingElse(t *testing.T) {
	t.Setenv("VAULT_TOKEN", "S3CRET")
	out := filepath.Join(t.TempDir(), "report")
	journal, err := os.Create(filepath.Join(t.TempDir(), "journal"))
	if err != nil {
		t.Fatal(err)
	}
	defer journal.Close()
	c := caller(t, false, "report", out, "--user={{.ServiceUser}}", "$HOME; rm *")
	k := call("o'neill $(id)", "o'neill $(id)")
	detail, err := c.Do(t.Context(), k)
	if err != nil || !strings.Contains(detail, "exit status 0") {
		t.Fatalf("%q, %v", detail, err)
	}
	text, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	var r report
	if err := json.Unmarshal(text, &r); err != nil {
		t.Fatal(err)
	}
	env := []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8", "HOME=/", "ROTATORD_CALL=r1/2/reload", "ROTATORD_HOOK=reload"}
	if !slices.Equal(r.Args[1:], []string{"report", out, "--user=o'neill $(id)", "$HOME; rm *"}) || !slices.Equal(r.Env, env) || r.Dir != "/" || !r.Group || len(r.Files) > 0 {
		t.Errorf("%+v", r)
	}
	if r.Event.ID != k.ID || len(r.Event.Keys) != 2 || r.Event.Keys[1].ID != "r2/2/reload" {
		t.Errorf("told %+v", r.Event)
	}
}

func TestTheSameArgumentsAreOneTarget(t *testing.T) {
	c := caller(t, false, "{{.UserID}}", "--user={{.ServiceUser}}")
	runs := call("a", "a", "b").Runs
	var targets []string
	for i := range runs {
		target, err := c.Target(&runs[i])
		if err != nil {
			t.Fatal(err)
		}
		targets = append(targets, target)
	}
	if targets[0] != targets[1] || targets[0] == targets[2] {
		t.Errorf("%q", targets)
	}
}

func TestFailuresSayWhyAndKeepNoOutputUnlessAsked(t *testing.T) {
	for _, tc := range []struct {
		name, program string
		keep          bool
		want          []string
		not           string
	}{
		{"exit status", "fail", false, []string{"exit status 3", "keep_output"}, "S3CRET"},
		{"output that is kept", "fail", true, []string{"exit status 3", "the key is S3CRET"}, "keep_output"},
		{"a lot of output", "chat", true, []string{"exit status 1", "xxxxthe end"}, strings.Repeat("x", 501)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := caller(t, tc.keep, tc.program).Do(t.Context(), call("a"))
			for _, w := range tc.want {
				if err == nil || !strings.Contains(err.Error(), w) || strings.Contains(err.Error(), tc.not) {
					t.Errorf("%v", err)
				}
			}
		})
	}
	gone, err := command.New(command.Options{Argv: []string{"/does/not/exist"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := gone.Do(t.Context(), call("a")); err == nil || !strings.Contains(err.Error(), "cannot be started") {
		t.Errorf("%v", err)
	}
}

// TestAProgramThatReadsNothingIsFine, however much it is told.
func TestAProgramThatReadsNothingIsFine(t *testing.T) {
	k := call(slices.Repeat([]string{strings.Repeat("u", 10_000)}, 100)...)
	if _, err := caller(t, false, "deaf").Do(t.Context(), k); err != nil {
		t.Error(err)
	}
}

// TestNothingIsLeftOfAProgram that hangs, and of what it started.
func TestNothingIsLeftOfAProgram(t *testing.T) {
	for _, program := range []string{"hang", "leave"} {
		t.Run(program, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "pid")
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			go func() { // the time is over once the child is there
				for program == "hang" && ctx.Err() == nil {
					if _, err := os.Stat(file); err == nil {
						cancel()
					}
					time.Sleep(time.Millisecond) // between two looks
				}
			}()
			_, err := caller(t, false, program, file).Do(ctx, call("a"))
			if (err == nil) != (program == "leave") || err != nil && !strings.Contains(err.Error(), "its time was over") {
				t.Errorf("%v", err)
			}
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			pid, err := strconv.Atoi(string(text))
			if err != nil {
				t.Fatal(err)
			}
			// A signal takes its effect a moment after it was sent.
			for deadline := time.Now().Add(10 * time.Second); ; {
				state := stateOf(pid)
				if state == "" || state == "Z" || state == "X" {
					break
				}
				if time.Now().After(deadline) {
					t.Fatalf("the child lives on in state %s", state)
				}
				time.Sleep(time.Millisecond) // between two looks
			}
		})
	}
}

// stateOf is the letter of a process' state; empty for one that is not there.
func stateOf(pid int) string {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	_, after, _ := strings.Cut(string(stat), ") ")
	return after[:1]
}

func TestOnlyAProgramThatTheOperatorNamedIsRun(t *testing.T) {
	for want, argv := range map[string][]string{
		"names no program": {}, "absolute path": {"reload"}, "choose the program": {"/opt/{{.ServiceUser}}"}, "no field .Secret": {"/bin/true", "{{.Secret}}"},
	} {
		if _, err := command.New(command.Options{Argv: argv}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", argv, err)
		}
	}
}
