package main

import (
	"errors"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/rotatord/rotatord/config"
	"github.com/rotatord/rotatord/web"
)

func undoCommand(f *flags) *cobra.Command {
	var span, reason string
	cmd := &cobra.Command{
		Use: "undo PROVIDER/USER/CREDENTIAL", Short: "Bring an old key back that is only switched off", Args: args(cobra.ExactArgs(1)),
		Long: `While a rotation soaks, its old key is switched off and not revoked. This switches it on again, and holds the credential, so
that it stays on while you move whoever still needs it. When the hold ends or is released, grace begins anew.`,
		Example: "  rotatord undo --reason 'the night batch still has the old key' digicert-one/signing/deploy",
		RunE: func(cmd *cobra.Command, given []string) error {
			sel, err := selection(given[0])
			if err != nil {
				return err
			}
			if reason == "" {
				return usage{errors.New("say why, for whoever reads it at night: --reason 'why'")}
			}
			var d config.Duration
			if err := d.UnmarshalText([]byte(span)); err != nil {
				return usage{err}
			}
			c, err := f.daemon()
			if err != nil {
				return err
			}
			until := time.Now().Add(time.Duration(d))
			r, err := c.Undo(cmd.Context(), web.HoldRequest{Selection: sel, Until: until, Reason: reason})
			if err != nil {
				return err
			}
			return f.print(cmd.OutOrStdout(), r, func(w io.Writer) {
				line(w, "%s\tcoming back\tkey %s is being switched on; the credential is held until %s", r.CredentialName, r.OldKey.Name, until.UTC().Format(time.RFC3339))
			})
		},
	}
	cmd.Flags().StringVar(&span, "for", "24h", "how long the hold lasts, such as 90m or 3d")
	cmd.Flags().StringVar(&reason, "reason", "", "why; it is shown wherever the hold stops something")
	return cmd
}
