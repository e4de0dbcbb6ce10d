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
	var h holding
	cmd := &cobra.Command{
		Use: "hold PROVIDER/USER/CREDENTIAL", Short: "Stop everything about credentials that cannot be undone", Args: args(cobra.ExactArgs(1)),
		Example: "  rotatord hold --for 3d --reason 'release week' certcentral/ci-build/deploy",
		RunE: func(cmd *cobra.Command, given []string) error {
			ask, err := h.request(given[0], "a hold needs a reason that somebody else understands at night: --reason 'why'")
			if err != nil {
				return err
			}
			c, err := f.daemon()
			if err != nil {
				return err
			}
			t, err := c.Hold(cmd.Context(), ask)
			if err != nil {
				return err
			}
			return f.print(cmd.OutOrStdout(), t, func(w io.Writer) { printTouched(w, "held", &t) })
		},
	}
	h.bind(cmd)
	return cmd
}

// holding is what a command that places a hold is told of it.
type holding struct{ span, reason string }

func (h *holding) bind(cmd *cobra.Command) {
	cmd.Flags().StringVar(&h.span, "for", "24h", "how long the hold lasts, such as 90m or 3d")
	cmd.Flags().StringVar(&h.reason, "reason", "", "why; it is shown wherever the hold stops something")
}

// request reads the flags; without a reason the words say that one is needed.
func (h *holding) request(credential, words string) (web.HoldRequest, error) {
	sel, err := selection(credential)
	if err != nil {
		return web.HoldRequest{}, err
	}
	if h.reason == "" {
		return web.HoldRequest{}, usage{errors.New(words)}
	}
	var d config.Duration
	if err := d.UnmarshalText([]byte(h.span)); err != nil {
		return web.HoldRequest{}, usage{err}
	}
	return web.HoldRequest{Selection: sel, Until: time.Now().Add(time.Duration(d)), Reason: h.reason}, nil
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
