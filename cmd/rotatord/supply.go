package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/rotatord/rotatord/web"
)

// longestKey bounds what is read as a key, in bytes.
const longestKey = 16 << 10

func supplyCommand(f *flags) *cobra.Command {
	var keyID, expires string
	cmd := &cobra.Command{
		Use: "supply PROVIDER/USER/CREDENTIAL", Short: "Hand over a key that a person made", Args: args(cobra.ExactArgs(1)),
		Long: `For providers whose keys only a person can make. The key is read from standard input or, on a terminal, from a prompt that does
not show it; it is never an argument. The daemon tries it at the provider and, if it works, seals it and goes on with the
rotation: delivery to every sink, read-back, grace. A key that does not work is refused, and nothing is recorded.`,
		Example: "  rotatord supply dataspot/ci/deploy --expires 2027-03-31\n  pass show new-key | rotatord supply legacy/billing/api",
		RunE: func(cmd *cobra.Command, given []string) error {
			sel, err := selection(given[0])
			if err != nil {
				return err
			}
			until, err := endOf(expires)
			if err != nil {
				return usage{err}
			}
			c, err := f.daemon()
			if err != nil {
				return err
			}
			key, err := readKey(cmd.InOrStdin(), cmd.ErrOrStderr(), given[0])
			if err != nil {
				return err
			}
			defer clear(key)
			r, err := c.Supply(cmd.Context(), sel, key, keyID, until)
			if err != nil {
				return err
			}
			return f.print(cmd.OutOrStdout(), r, func(w io.Writer) {
				line(w, "%s\tsupplied\trotation %s goes on with key %s; watch it with: rotatord status", r.CredentialName, r.ID, r.NewKey.Name)
			})
		},
	}
	cmd.Flags().StringVar(&keyID, "key-id", "", "the provider's id of the key, where it has one and you know it")
	cmd.Flags().StringVar(&expires, "expires", "", "when the key ends: a date (the end of that day in UTC) or an RFC 3339 time")
	return cmd
}

func removedCommand(f *flags) *cobra.Command {
	return &cobra.Command{
		Use: "removed PROVIDER/USER/CREDENTIAL", Short: "Say that a key was removed by hand", Args: args(cobra.ExactArgs(1)),
		Long: `For providers whose keys only a person can remove. A rotation asks for it (rotatord status says how) once every consumer has
the new key; before that, this command is refused, because the key may still be needed.`,
		RunE: func(cmd *cobra.Command, given []string) error {
			sel, err := selection(given[0])
			if err != nil {
				return err
			}
			c, err := f.daemon()
			if err != nil {
				return err
			}
			r, err := c.Removed(cmd.Context(), sel)
			if err != nil {
				return err
			}
			return f.print(cmd.OutOrStdout(), r, func(w io.Writer) { printRemoved(w, &r) })
		},
	}
}

func printRemoved(w io.Writer, r *web.Rotation) {
	line(w, "%s\tnoted\trotation %s goes on", r.CredentialName, r.ID)
}

// endOf reads a date, which is the end of that day in UTC, or a time; zero for nothing.
func endOf(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if day, err := time.Parse(time.DateOnly, text); err == nil {
		return day.Add(24*time.Hour - time.Second), nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return at, fmt.Errorf("--expires is %q; write a date such as 2027-03-31, or a time such as 2027-03-31T18:00:00Z", text)
	}
	return at, nil
}

// readKey reads a key from a prompt that does not show it, or to the end of what is piped in.
func readKey(in io.Reader, errOut io.Writer, what string) ([]byte, error) {
	var key []byte
	var err error
	if file, ok := in.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
		_, _ = fmt.Fprintf(errOut, "Key for %s (it is not shown): ", what)
		key, err = term.ReadPassword(int(file.Fd()))
		_, _ = fmt.Fprintln(errOut)
	} else {
		key, err = io.ReadAll(io.LimitReader(in, longestKey+1))
	}
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading the key: %w", err)
	case len(key) > longestKey:
		return nil, fmt.Errorf("what is piped in is longer than any key (%d bytes)", longestKey)
	case len(bytes.TrimSpace(key)) == 0:
		return nil, usage{errors.New("the key is empty; pipe it in, or run this on a terminal")}
	}
	return key, nil
}
