package main

import (
	"io"
	"time"

	"github.com/spf13/cobra"
)

func undoCommand(f *flags) *cobra.Command {
	var h holding
	cmd := &cobra.Command{
		Use: "undo PROVIDER/USER/CREDENTIAL", Short: "Bring an old key back that is only switched off", Args: args(cobra.ExactArgs(1)),
		Long: `While a rotation soaks, its old key is switched off and not revoked. This switches it on again, and holds the credential, so
that it stays on while you move whoever still needs it. When the hold ends or is released, grace begins anew.`,
		Example: "  rotatord undo --reason 'the night batch still has the old key' digicert-one/signing/deploy",
		RunE: func(cmd *cobra.Command, given []string) error {
			ask, err := h.request(given[0], "say why, for whoever reads it at night: --reason 'why'")
			if err != nil {
				return err
			}
			c, err := f.daemon()
			if err != nil {
				return err
			}
			r, err := c.Undo(cmd.Context(), ask)
			if err != nil {
				return err
			}
			return f.print(cmd.OutOrStdout(), r, func(w io.Writer) {
				line(w, "%s\tcoming back\tkey %s is being switched on; the credential is held until %s", r.CredentialName, r.OldKey.Name, ask.Until.UTC().Format(time.RFC3339))
			})
		},
	}
	h.bind(cmd)
	return cmd
}
