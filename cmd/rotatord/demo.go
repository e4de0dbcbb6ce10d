package main

import (
	"errors"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/rotatord/rotatord/internal/demo"
)

func demoCommand() *cobra.Command {
	o := demo.Options{Version: version}
	cmd := &cobra.Command{
		Use: "demo", Short: "Show whole rotations in a minute, with nothing installed", Args: args(cobra.NoArgs),
		Long: `Starts an emulated provider, the daemon with policies that count in seconds, and consumers that use the delivered keys all the
time, and tells what happens to each key. It fails if one call of a consumer was refused.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.Out, o.Colour, o.VaultToken = cmd.OutOrStdout(), isTerminal(cmd.OutOrStdout()), os.Getenv("VAULT_TOKEN")
			if o.VaultAddress == "" {
				o.VaultToken = ""
			}
			if err := o.Check(); err != nil {
				return usage{err}
			}
			err := demo.Run(cmd.Context(), o)
			if errors.Is(err, demo.ErrFailed) {
				return exit(exitFailed)
			}
			return err
		},
	}
	cmd.Flags().DurationVar(&o.For, "for", time.Minute, "how long to run")
	cmd.Flags().StringVar(&o.VaultAddress, "vault-address", os.Getenv("VAULT_ADDR"), "deliver to this Vault server too, with the token in $VAULT_TOKEN")
	cmd.Flags().StringVar(&o.VaultMount, "vault-mount", "secret", "mount of a key-value engine there")
	cmd.Flags().StringVar(&o.Listen, "listen", "127.0.0.1:0", "where the daemon's page is served")
	return cmd
}
