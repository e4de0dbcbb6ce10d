package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/rotatord/rotatord/internal/app"
	"github.com/rotatord/rotatord/internal/client"
	"github.com/rotatord/rotatord/internal/terminal"
)

// The exit codes, which scripts may rely on.
const (
	exitFine   = 0
	exitFailed = 1
	exitUsage  = 2 // the command line or the configuration is wrong
	exitPerson = 3 // something needs a person
)

// exit is an error that carries its exit code; its message, if any, has been printed already.
type exit int

func (e exit) Error() string { return fmt.Sprintf("exit %d", int(e)) }

// usage marks an error of the command line.
type usage struct{ error }

// flags are what every command knows.
type flags struct {
	config string
	server string
	token  string
	output string
}

// execute runs one command line and returns its exit code.
func execute(ctx context.Context, args []string, in io.Reader, out, errOut io.Writer) int {
	root := newRoot()
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errOut)
	return exitCode(root.ExecuteContext(ctx), errOut)
}

func exitCode(err error, errOut io.Writer) int {
	if err == nil {
		return exitFine
	}
	if code, ok := errors.AsType[exit](err); ok {
		return int(code)
	}
	_, _ = fmt.Fprintln(errOut, "rotatord:", terminal.Text(err.Error(), "\t\n")) // nobody is left to tell if this fails
	if _, ok := errors.AsType[usage](err); ok {
		return exitUsage
	}
	if _, ok := errors.AsType[app.BadConfigError](err); ok {
		return exitUsage
	}
	return exitFailed
}

func newRoot() *cobra.Command {
	f := &flags{}
	root := &cobra.Command{
		Use:   "rotatord",
		Short: "Rotate service users' keys: overlap, deliver, prove, revoke",
		Long: `rotatord is a daemon that replaces service users' keys before they expire. It makes a new key beside the old one, delivers
it to Vault, files and other sinks, reads every sink back, tries the new key, and revokes the old one only after a grace
period and on evidence.`,
		Version: version, SilenceErrors: true, SilenceUsage: true, SuggestionsMinimumDistance: 2,
		Args: cobra.ArbitraryArgs, RunE: group,
	}
	root.PersistentFlags().StringVarP(&f.config, "config", "c", "/etc/rotatord/rotatord.yaml", "configuration file")
	root.PersistentFlags().StringVar(&f.server, "server", envOr("ROTATORD_SERVER", "http://127.0.0.1:9650"), "address of the running daemon (or $ROTATORD_SERVER)")
	root.PersistentFlags().StringVar(&f.token, "token-file", os.Getenv("ROTATORD_TOKEN_FILE"), "file with the OpenID Connect token for the daemon (or $ROTATORD_TOKEN_FILE)")
	root.PersistentFlags().StringVarP(&f.output, "output", "o", "text", "text or json")
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usage{err} })
	root.PersistentPreRunE = func(*cobra.Command, []string) error {
		if f.output != "text" && f.output != "json" {
			return usage{fmt.Errorf("--output is %q; write text or json", f.output)}
		}
		return nil
	}
	root.AddCommand(runCommand(f), demoCommand(), checkConfigCommand(f), statusCommand(f), planCommand(f), reportCommand(f), rotateCommand(f), drillCommand(f), verifyCommand(f), historyCommand(f), holdCommand(f),
		releaseCommand(f), freezeCommand(f), undoCommand(f), approveCommand(f), supplyCommand(f), removedCommand(f), usersCommand(f), auditCommand(f), alertsCommand(), simulateCommand(f), emulateCommand(), sealCommand(f), healthcheckCommand(), versionCommand(f))
	completeLive(root, f)
	return root
}

// group runs a command that only holds others: alone it prints its help, and a name that it does not have is a mistake of
// the command line.
func group(cmd *cobra.Command, given []string) error {
	if len(given) == 0 {
		return cmd.Help()
	}
	hint := "see: " + cmd.CommandPath() + " --help"
	if near := cmd.SuggestionsFor(given[0]); len(near) > 0 {
		hint = "did you mean " + strings.Join(near, " or ") + "?"
	}
	return usage{fmt.Errorf("%s has no command %q; %s", cmd.CommandPath(), given[0], hint)}
}

func envOr(name, otherwise string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return otherwise
}

// args turns cobra's complaint about a number of arguments into a usage error.
func args(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, given []string) error {
		if err := check(cmd, given); err != nil {
			return usage{fmt.Errorf("%w; see: %s --help", err, cmd.CommandPath())}
		}
		return nil
	}
}

// daemon returns a client for the running daemon.
func (f *flags) daemon() (*client.Client, error) {
	c, err := client.New(f.server)
	if err != nil {
		return nil, usage{err}
	}
	if f.token == "" {
		return c, nil
	}
	if err := c.UseToken(f.token); err != nil {
		return nil, usage{err}
	}
	return c, nil
}

// print writes v as JSON if that was asked for, else calls text.
func (f *flags) print(out io.Writer, v any, text func(w io.Writer)) error {
	if f.output == "json" {
		e := json.NewEncoder(out)
		e.SetIndent("", "  ")
		return e.Encode(v)
	}
	w := newTable(out)
	text(w)
	return w.Flush()
}

// newTable aligns the cells of lines, which tabs separate; flush it.
func newTable(out io.Writer) *tabwriter.Writer { return tabwriter.NewWriter(out, 0, 0, 2, ' ', 0) }

// line writes one line of a table; tabs separate its cells.
func line(w io.Writer, format string, args ...any) {
	for i, arg := range args {
		switch v := arg.(type) {
		case string:
			args[i] = terminal.Text(v, "\t")
		case error:
			args[i] = terminal.Text(v.Error(), "\t")
		case fmt.Stringer:
			args[i] = terminal.Text(v.String(), "\t")
		}
	}
	_, _ = fmt.Fprintf(w, format+"\n", args...)
}

// when prints a time for people: how long ago or until, and the time itself.
func when(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	d := time.Until(t).Round(time.Second)
	at := t.Local().Format("2006-01-02 15:04:05")
	switch {
	case d > 0:
		return fmt.Sprintf("%s (in %s)", at, span(d))
	case d < 0:
		return fmt.Sprintf("%s (%s ago)", at, span(-d))
	default:
		return at + " (now)"
	}
}

// span prints a duration in its two largest units.
func span(d time.Duration) string {
	switch {
	case d >= 48*time.Hour:
		return fmt.Sprintf("%dd%dh", d/(24*time.Hour), d%(24*time.Hour)/time.Hour)
	case d >= time.Hour:
		return fmt.Sprintf("%dh%dm", d/time.Hour, d%time.Hour/time.Minute)
	default:
		return d.String()
	}
}

// isTerminal reports whether out is one, so that it may be given colours.
func isTerminal(out io.Writer) bool { return onTerminal(out) && os.Getenv("NO_COLOR") == "" }

// onTerminal reports whether somebody watches out, or types at it.
func onTerminal(f any) bool {
	file, ok := f.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// Colours of a terminal.
const (
	red    = "31"
	green  = "32"
	yellow = "33"
)

// paint colours words where out takes colours.
func paint(out io.Writer, colour, words string) string {
	if !isTerminal(out) {
		return words
	}
	return "\x1b[" + colour + "m" + words + "\x1b[0m"
}
