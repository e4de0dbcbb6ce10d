package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/rotatord/rotatord/internal/app"
)

func runCommand(f *flags) *cobra.Command {
	return &cobra.Command{
		Use: "run", Short: "Run the daemon", Args: args(cobra.NoArgs),
		Long: `Runs the daemon until it is told to stop (SIGTERM or SIGINT). SIGHUP reads the configuration anew; a bad one leaves the running
one in force.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			a, err := app.New(cmd.Context(), app.Options{ConfigPath: f.config, Version: version, Revision: revision})
			if err != nil {
				return err
			}
			ctx, stop := context.WithCancel(cmd.Context())
			defer stop()
			go reloadOnHangup(ctx, a)
			return a.Run(ctx)
		},
	}
}

func reloadOnHangup(ctx context.Context, a *app.App) {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangup:
			_ = a.Reload(ctx) // it has been logged and counted
		}
	}
}
