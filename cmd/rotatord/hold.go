package main

import (
	"errors"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/rotatord/rotatord/config"
	"github.com/rotatord/rotatord/web"
)

func holdCommand(f *flags) *cobra.Command {
	var span, reason string
	cmd := &cobra.Command{
		Use: "hold PROVIDER/USER/CREDENTIAL", Short: "Stop everything about credentials that cannot be undone", Args: args(cobra.ExactArgs(1)),
		Example: "  rotatord hold --for 3d --reason 'release week' certcentral/ci-build/deploy",
		RunE: func(cmd *cobra.Command, given []string) error {
			sel, err := selection(given[0])
			if err != nil {
				return err
			}
			if reason == "" {
				return usage{errors.New("a hold needs a reason that somebody else understands at night: --reason 'why'")}
			}
			var d config.Duration
			if err := d.UnmarshalText([]byte(span)); err != nil {
				return usage{err}
			}
			c, err := f.daemon()
			if err != nil {
				return err
			}
			t, err := c.Hold(cmd.Context(), web.HoldRequest{Selection: sel, Until: time.Now().Add(time.Duration(d)), Reason: reason})
			if err != nil {
				return err
			}
			return f.print(cmd.OutOrStdout(), t, func(w io.Writer) { printTouched(w, "held", &t) })
		},
	}
	cmd.Flags().StringVar(&span, "for", "24h", "how long the hold lasts, such as 90m or 3d")
	cmd.Flags().StringVar(&reason, "reason", "", "why; it is shown wherever the hold stops something")
	return cmd
}

func releaseCommand(f *flags) *cobra.Command {
	return &cobra.Command{
		Use: "release PROVIDER/USER/CREDENTIAL", Short: "End holds", Args: args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, given []string) error {
			sel, err := selection(given[0])
			if err != nil {
				return err
			}
			c, err := f.daemon()
			if err != nil {
				return err
			}
			t, err := c.Release(cmd.Context(), sel)
			if err != nil {
				return err
			}
			return f.print(cmd.OutOrStdout(), t, func(w io.Writer) { printTouched(w, "released", &t) })
		},
	}
}

func printTouched(w io.Writer, what string, t *web.Touched) {
	for _, c := range t.Credentials {
		line(w, "%s\t%s", c, what)
	}
}
