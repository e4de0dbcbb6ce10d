// Package command tells a consumer by running a program of this machine. There is no shell: the arguments are a list, and a
// name with quotes or spaces in it stays one argument.
//
// The program runs as the daemon's user, in a process group of its own, in the folder /, with the environment that is listed
// here and nothing else. The event is on its standard input, as JSON. When it ends, or its time is over, what is left of its
// process group is killed.
package command

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
	"unicode"

	"github.com/rotatord/rotatord/hooks"
	"github.com/rotatord/rotatord/hooks/argument"
	"github.com/rotatord/rotatord/rotator"
)

// environment is all that a program is given beside the name of the call.
var environment = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8", "HOME=/"}

const (
	// lastWords is how long a program that is out of time has to end by itself, once it was asked to.
	lastWords = 3 * time.Second
	// maxTold is how much of the end of a program's output is kept, in bytes.
	maxTold = 500
)

// Options are what a caller is made of.
type Options struct {
	// Argv is the program's absolute path and its arguments. Fields may stand in the arguments.
	Argv []string
	// KeepOutput has the end of the output of a program that failed in the error. Programs may print secrets: it is off unless
	// somebody has looked.
	KeepOutput bool
}

// Caller runs the program. Make one with [New].
type Caller struct {
	path string
	args []argument.Argument
	keep bool
}

var _ hooks.Caller = (*Caller)(nil)

// New makes a caller. It does not look for the program.
func New(o Options) (*Caller, error) {
	if err := CheckProgram(o.Argv); err != nil {
		return nil, err
	}
	c := &Caller{path: o.Argv[0], keep: o.KeepOutput}
	for _, text := range o.Argv[1:] {
		a, err := argument.Parse(text)
		if err != nil {
			return nil, err
		}
		c.args = append(c.args, a)
	}
	return c, nil
}

// CheckProgram says what is wrong with the first of the arguments.
func CheckProgram(argv []string) error {
	if len(argv) == 0 {
		return errors.New("names no program; write the path of one")
	}
	first, err := argument.Parse(argv[0])
	switch {
	case err != nil:
		return err
	case !first.Fixed():
		return errors.New("lets the name of a service user choose the program; write its path without fields")
	case !filepath.IsAbs(argv[0]):
		return errors.New("is not the absolute path of a program; write a path that begins with /")
	}
	return nil
}

// Target implements [hooks.Caller]: programs that would be run with the same arguments are run once.
func (c *Caller) Target(r *rotator.HookRun) (string, error) {
	args, err := c.render(r)
	return strings.Join(args, "\x00"), err
}

func (c *Caller) render(r *rotator.HookRun) ([]string, error) {
	args := make([]string, 0, len(c.args))
	for _, a := range c.args {
		text, err := a.Render(r, nil)
		if err != nil {
			return nil, err
		}
		args = append(args, text)
	}
	return args, nil
}

// Do implements [hooks.Caller].
func (c *Caller) Do(ctx context.Context, k hooks.Call) (string, error) {
	op := "run " + c.path
	args, err := c.render(&k.Runs[0])
	if err != nil {
		return "", err
	}
	event, err := json.Marshal(k.Event())
	if err != nil {
		return "", rotator.NewFault(op, rotator.Invalid, "%w", err)
	}
	output := &tail{}
	cmd := exec.Command(c.path, args...) //nolint:gosec,noctx // the operator's own program; its end is looked after below
	cmd.Dir, cmd.Stdin, cmd.Stdout, cmd.Stderr = "/", bytes.NewReader(event), output, output
	cmd.Env = append(environment[:len(environment):len(environment)], "ROTATORD_CALL="+k.ID, "ROTATORD_HOOK="+k.Hook)
	cmd.WaitDelay = time.Second // for what holds the output open
	if err := begin(cmd); err != nil {
		return "", rotator.NewFault(op, rotator.Invalid, "it cannot be started: %w", err)
	}
	overdue := supervise(ctx, cmd.Process.Pid)
	err = cmd.Wait()
	switch {
	case overdue:
		return "", rotator.NewFault(op, rotator.Transient, "its time was over and it was killed%s", c.said(output))
	case errors.Is(err, exec.ErrWaitDelay), err == nil:
		return fmt.Sprintf("%s ended with exit status 0", c.path), nil
	default:
		return "", rotator.NewFault(op, rotator.Invalid, "it ended with %w%s", err, c.said(output))
	}
}

// said is the end of the output, if it is kept.
func (c *Caller) said(output *tail) string {
	if !c.keep {
		return " (its output is not kept; keep_output keeps its end)"
	}
	text := strings.Join(strings.FieldsFunc(string(output.kept), func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }), " ")
	return fmt.Sprintf("; the end of its output: %q", text)
}

// tail keeps the end of what is written.
type tail struct{ kept []byte }

// Write implements [io.Writer].
func (t *tail) Write(p []byte) (int, error) {
	t.kept = append(t.kept, p[max(0, len(p)-maxTold):]...)
	t.kept = append(t.kept[:0], t.kept[max(0, len(t.kept)-maxTold):]...)
	return len(p), nil
}
