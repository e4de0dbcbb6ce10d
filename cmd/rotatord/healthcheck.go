package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/rotatord/rotatord/internal/client"
)

func healthcheckCommand() *cobra.Command {
	var url string
	cmd := &cobra.Command{
		Use: "healthcheck", Short: "Ask a running daemon whether it is alive", Args: args(cobra.NoArgs),
		Long: "For containers without a shell: exits with 0 if the daemon answers that it is alive.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := client.New(url)
			if err != nil {
				return usage{err}
			}
			ctx, stop := context.WithTimeout(cmd.Context(), 5*time.Second)
			defer stop()
			return c.Healthy(ctx)
		},
	}
	cmd.Flags().StringVar(&url, "url", "http://127.0.0.1:9650/-/healthy", "what to ask")
	return cmd
}
