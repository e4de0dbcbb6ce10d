package main

import (
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/rotatord/rotatord/config"
)

func approveCommand(f *flags) *cobra.Command {
	var within string
	cmd := &cobra.Command{
		Use: "approve PROVIDER", Short: "Let rotations through that the blast-radius cap holds back", Args: args(cobra.ExactArgs(1)),
		Long: `When more keys are due at once than limits.max_share_per_scan allows, none starts until a person approves: a wrong clock or a
wrong policy shows itself in numbers. Look at what waits with: rotatord status`,
		RunE: func(cmd *cobra.Command, given []string) error {
			var d config.Duration
			if err := d.UnmarshalText([]byte(within)); err != nil {
				return usage{err}
			}
			c, err := f.daemon()
			if err != nil {
				return err
			}
			a, err := c.Approve(cmd.Context(), given[0], time.Duration(d))
			if err != nil {
				return err
			}
			return f.print(cmd.OutOrStdout(), a, func(w io.Writer) {
				line(w, "%d rotations may start at %s until %s", a.Approved, given[0], when(a.Until))
			})
		},
	}
	cmd.Flags().StringVar(&within, "within", "1h", "how long the approval lasts, such as 30m; at most 24h")
	return cmd
}
