package main

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/rotatord/rotatord/config"
	"github.com/rotatord/rotatord/web"
)

func freezeCommand(f *flags) *cobra.Command {
	var ask freezing
	cmd := &cobra.Command{
		Use: "freeze", Short: "Rotate and revoke nothing for a time", Args: args(cobra.NoArgs),
		Long: `Asks the running daemon to rotate nothing and to revoke nothing for a time, beside the freezes of the configuration. What an operator
asks for goes on, and so do keys near their deadline if --unless-expires-within says so. A freeze survives restarts and is in force for
every replica.`,
		Example: `  rotatord freeze --for 12h --reason 'data centre move'
  rotatord freeze --from 2026-12-24T16:00:00Z --for 3d --unless-expires-within 72h --reason holidays
  rotatord freeze list
  rotatord freeze lift freeze-k3j5h2`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			r, err := ask.request(time.Now())
			if err != nil {
				return usage{err}
			}
			c, err := f.daemon()
			if err != nil {
				return err
			}
			placed, err := c.Freeze(cmd.Context(), r)
			if err != nil {
				return err
			}
			return f.print(cmd.OutOrStdout(), placed, func(w io.Writer) { printFreezes(w, []web.Freeze{placed}) })
		},
	}
	cmd.Flags().StringVar(&ask.from, "from", "", "when it begins, such as 2026-12-24T16:00:00Z; now, if it is not given")
	cmd.Flags().StringVar(&ask.span, "for", "24h", "how long it lasts, such as 90m or 3d")
	cmd.Flags().StringVar(&ask.unless, "unless-expires-within", "", "replace keys whose deadline is nearer than this all the same, such as 72h")
	cmd.Flags().StringVar(&ask.reason, "reason", "", "why; it is shown wherever the freeze stops something")
	cmd.AddCommand(freezeListCommand(f), freezeLiftCommand(f))
	return cmd
}

// freezing is what the command is told of a freeze.
type freezing struct{ from, span, unless, reason string }

func (a *freezing) request(now time.Time) (r web.FreezeRequest, err error) {
	if a.reason == "" {
		return r, errors.New("a freeze needs a reason that somebody else understands at night: --reason 'why'")
	}
	r.Reason = a.reason
	begins := now
	if a.from != "" {
		if begins, err = time.Parse(time.RFC3339, a.from); err != nil {
			return r, fmt.Errorf("--from is %q; write a time such as 2026-12-24T16:00:00Z", a.from)
		}
		r.From = begins
	}
	var span, unless config.Duration
	if err := span.UnmarshalText([]byte(a.span)); err != nil {
		return r, fmt.Errorf("--for: %w", err)
	}
	r.To = begins.Add(time.Duration(span))
	if a.unless == "" {
		return r, nil
	}
	if err := unless.UnmarshalText([]byte(a.unless)); err != nil {
		return r, fmt.Errorf("--unless-expires-within: %w", err)
	}
	r.UnlessExpiresWithin = time.Duration(unless).String()
	return r, nil
}

func freezeListCommand(f *flags) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the freezes that are in force or still to come", Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := f.daemon()
			if err != nil {
				return err
			}
			found, err := c.Freezes(cmd.Context())
			if err != nil {
				return err
			}
			return f.print(cmd.OutOrStdout(), found, func(w io.Writer) { printFreezes(w, found.Freezes) })
		},
	}
}

func freezeLiftCommand(f *flags) *cobra.Command {
	return &cobra.Command{
		Use: "lift FREEZE", Short: "End a freeze that an operator placed", Args: args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, given []string) error {
			c, err := f.daemon()
			if err != nil {
				return err
			}
			if err := c.Lift(cmd.Context(), given[0]); err != nil {
				return err
			}
			return f.print(cmd.OutOrStdout(), map[string]string{"lifted": given[0]}, func(w io.Writer) { line(w, "%s\tlifted", given[0]) })
		},
	}
}

func printFreezes(w io.Writer, freezes []web.Freeze) {
	if len(freezes) == 0 {
		line(w, "Nothing is frozen.")
	}
	for i := range freezes {
		fr := &freezes[i]
		name, by := fr.ID, "by "+fr.By
		if fr.ID == "" {
			name, by = "(configuration)", "-"
		}
		line(w, "%s\tfrom %s\tto %s\t%s\t%s%s", name, when(fr.From), when(fr.To), by, fr.Reason, unless(fr))
	}
}

func unless(fr *web.Freeze) string {
	if fr.UnlessExpiresWithin == "" {
		return ""
	}
	return " (unless the deadline is within " + fr.UnlessExpiresWithin + ")"
}

// printFrozen says in a status what is frozen now.
func printFrozen(w io.Writer, s *web.Status) {
	for i := range s.Freezes {
		fr := &s.Freezes[i]
		if !fr.InForce {
			continue
		}
		lift := "it is in the configuration"
		if fr.ID != "" {
			lift = "placed by " + fr.By + "; end it with: rotatord freeze lift " + fr.ID
		}
		line(w, "\nFROZEN until %s: %s%s", when(fr.To), fr.Reason, unless(fr))
		line(w, "  %s", lift)
	}
}
