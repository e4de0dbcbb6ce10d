package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/rotatord/rotatord/config"
	"github.com/rotatord/rotatord/internal/app"
	"github.com/rotatord/rotatord/rotator/seal"
	"github.com/rotatord/rotatord/web"
)

func sealRotateCommand(f *flags) *cobra.Command {
	var finish bool
	cmd := &cobra.Command{
		Use: "rotate [FILE]", Short: "Exchange the seal key", Args: args(cobra.MaximumNArgs(1)),
		Long: `Puts a new key in front of the old one in the seal key file, and has the running daemon seal everything in flight under it.
FILE is the file of the configuration unless it is given: name the original where the daemon reads a copy (a systemd
credential, a Kubernetes secret), and restart the daemon then.

Afterwards back the file up, and drop the old key with --finish, which does so only once the daemon has nothing sealed under it.
Interrupted anywhere, the command may be given again. Keep the old key as long as backups of the journal from before it.`,
		RunE: func(cmd *cobra.Command, given []string) error {
			path, err := sealKeyFile(f, given)
			if err != nil {
				return err
			}
			x := exchange{f: f, path: path}
			if finish {
				err = x.finish(cmd.Context())
			} else {
				err = x.begin(cmd.Context())
			}
			if err != nil {
				return err
			}
			if err := f.print(cmd.OutOrStdout(), x.answer, func(w io.Writer) { line(w, "%s", x.answer.Text) }); err != nil {
				return err
			}
			if !x.answer.Done {
				return exit(exitPerson)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&finish, "finish", false, "drop the old key, once nothing is sealed under it")
	return cmd
}

// sealKeyFile is the file to change.
func sealKeyFile(f *flags, given []string) (string, error) {
	if len(given) == 1 {
		return given[0], nil
	}
	c, err := config.Load(f.config)
	if err != nil {
		return "", usage{err}
	}
	switch s := c.Store.Seal; {
	case s.VaultTransit != nil:
		return "", usage{fmt.Errorf("the seal key is wrapped by Vault: rotate the wrapping key there (vault write -f %s/keys/%s/rotate) and reload or restart "+
			"rotatord, which then exchanges the seal key by itself", s.VaultTransit.Mount, s.VaultTransit.Key)}
	case s.Key.File == "":
		return "", usage{fmt.Errorf("the seal key is a %s: put a new key (rotatord seal init) and the old one there, one a line, and restart rotatord; "+
			"then drop the old one", s.Key)}
	default:
		return s.Key.File, nil
	}
}

// exchange is one exchange of the key in a file.
type exchange struct {
	f      *flags
	path   string
	answer sealAnswer
}

type sealAnswer struct {
	File string   `json:"file"`
	Keys []string `json:"keys"`
	// Done is false where a person has to do something first.
	Done bool   `json:"done"`
	Text string `json:"text"`
}

func (x *exchange) say(keys *seal.Sealer, done bool, format string, args ...any) {
	x.answer = sealAnswer{File: x.path, Keys: keys.Names(), Done: done, Text: fmt.Sprintf(format, args...)}
}

func (x *exchange) begin(ctx context.Context) error {
	keys, err := seal.ReadKeyFile(x.path)
	if err == nil && len(keys.Names()) == 1 { // with more, an exchange was begun before
		keys, err = seal.PutKeyFirst(x.path)
	}
	if err != nil {
		return err
	}
	const then = "Then: rotatord seal rotate --finish"
	st, err := x.ask(ctx, true)
	if err != nil {
		x.say(keys, false, "%s holds the new key and the old one, and the daemon has not taken the new one: %v\nStart the daemon, or restart it. %s", x.path, err, then)
		return nil
	}
	if why := behind(keys, st); why != "" {
		x.say(keys, false, "%s holds the new key and the old one, and %s. %s", x.path, why, then)
		return nil
	}
	x.say(keys, true, "Everything is sealed under the new key %s. Back up %s, which holds the old key too.\n%s", keys.Names()[0], x.path, then)
	return nil
}

func (x *exchange) finish(ctx context.Context) error {
	keys, err := seal.ReadKeyFile(x.path)
	if err != nil {
		return err
	}
	if len(keys.Names()) == 1 {
		x.say(keys, true, "%s holds one key, %s: there is nothing to drop", x.path, keys.Names()[0])
		return nil
	}
	st, err := x.ask(ctx, false)
	if err != nil {
		return fmt.Errorf("only the daemon can say whether the old key is still needed, so it stays: %w", err)
	}
	if why := behind(keys, st); why != "" {
		x.say(keys, false, "The old key stays in %s: %s", x.path, why)
		return nil
	}
	if keys, err = seal.KeepFirstKey(x.path); err != nil {
		return err
	}
	x.say(keys, true, "%s holds %s alone. Keep the old key as long as you keep backups of the journal that are older than this", x.path, keys.Names()[0])
	return nil
}

// ask asks the daemon where its seal stands, after a reload if that is wanted.
func (x *exchange) ask(ctx context.Context, reload bool) (web.Seal, error) {
	c, err := x.f.daemon()
	if err == nil && reload {
		err = c.Reload(ctx)
	}
	if err != nil {
		return web.Seal{}, err
	}
	return c.Seal(ctx)
}

// behind says why the keys behind the first may still be needed; empty if they are not.
func behind(keys *seal.Sealer, st web.Seal) string {
	switch first := keys.Names()[0]; {
	case !st.Ready || len(st.Keys) == 0:
		return "the daemon has no seal key yet; see /-/ready"
	case st.Keys[0] != first:
		return fmt.Sprintf("the daemon seals under %s and not under %s: it reads another copy of the file, or has not read it again; restart it", st.Keys[0], first)
	case st.Behind > 0:
		return fmt.Sprintf("%d secrets in flight are sealed under another key and could not be sealed anew; the daemon's log says why", st.Behind)
	default:
		return ""
	}
}

func sealAbandonCommand(f *flags) *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use: "abandon", Short: "Give a lost seal key up", Args: args(cobra.NoArgs),
		Long: `For a journal whose seal key is lost for good: lists what is lost with it and, with --yes, gives it up, so that the daemon
starts with the key that is configured now. Stop the daemon first.

What is lost are the secrets of new keys that are on their way to their sinks, and the means to compare what was delivered lately.
New keys that no sink has are revoked and made anew. Keys that a sink may have stay, and so do the old ones, until yet another
key is delivered everywhere and confirmed. No consumer loses a key that works.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			losses, err := app.AbandonSeal(cmd.Context(), f.config, yes)
			if errors.Is(err, app.ErrNothingLost) {
				return f.print(cmd.OutOrStdout(), []app.Loss{}, func(w io.Writer) { line(w, "%v", err) })
			}
			if err != nil {
				return err
			}
			if err := f.print(cmd.OutOrStdout(), losses, func(w io.Writer) { printLosses(w, losses, yes) }); err != nil || yes {
				return err
			}
			return exit(exitPerson)
		},
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "do it")
	return cmd
}

func printLosses(w io.Writer, losses []app.Loss, done bool) {
	for _, l := range losses {
		line(w, "%s\t%s\tkey %s\t%s", l.Credential, l.Stage, l.NewKeyID, l.Then)
	}
	if done {
		line(w, "The old seal key is given up; %d rotations are affected. Start the daemon.", len(losses))
		return
	}
	line(w, "The journal's seal key is not there. %d rotations would be affected if it is given up; nothing was changed.", len(losses))
	line(w, "If the key is lost for good: rotatord seal abandon --yes")
}
