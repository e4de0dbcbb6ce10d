package main

import (
	"errors"
	"io"

	"github.com/spf13/cobra"

	"github.com/rotatord/rotatord/config"
	"github.com/rotatord/rotatord/internal/app"
)

// checked is the JSON form of the answer.
type checked struct {
	OK       bool            `json:"ok"`
	Problems config.Problems `json:"problems"`
	Warnings config.Problems `json:"warnings"`
	Online   []app.Finding   `json:"online,omitempty"`
}

func checkConfigCommand(f *flags) *cobra.Command {
	var online bool
	cmd := &cobra.Command{
		Use: "check-config", Short: "Check the configuration and print everything that is wrong with it", Args: args(cobra.NoArgs),
		Long: `Prints every mistake with its place and what to write instead. With --online it also asks each provider whether the daemon's own
key may do its work, and each sink whether it answers; it only reads.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := config.Load(f.config)
			result := checked{OK: err == nil, Problems: config.Problems{}, Warnings: config.Problems{}}
			if err != nil && !errors.As(err, &result.Problems) {
				return usage{err}
			}
			if err == nil {
				result.Warnings = append(result.Warnings, c.Warnings...)
				if online {
					result.Online = app.CheckOnline(cmd.Context(), c, version)
				}
			}
			if err := f.print(cmd.OutOrStdout(), result, func(w io.Writer) { result.print(w, f.config) }); err != nil {
				return err
			}
			return result.code()
		},
	}
	cmd.Flags().BoolVar(&online, "online", false, "ask providers and sinks too")
	return cmd
}

func (c checked) code() error {
	if !c.OK {
		return exit(exitUsage)
	}
	for _, o := range c.Online {
		if !o.OK {
			return exit(exitPerson)
		}
	}
	return nil
}

func (c checked) print(w io.Writer, path string) {
	for _, p := range c.Problems {
		line(w, "%s", p)
	}
	for _, p := range c.Warnings {
		line(w, "%s (warning)", p)
	}
	for _, o := range c.Online {
		mark := "ok"
		if !o.OK {
			mark = "TROUBLE"
		}
		line(w, "%s\t%s\t%s", o.Name, mark, o.Detail)
	}
	switch n := len(c.Problems); {
	case c.OK:
		line(w, "%s is valid", path)
	case n == 1:
		line(w, "%s has 1 mistake", path)
	default:
		line(w, "%s has %d mistakes", path, n)
	}
}
