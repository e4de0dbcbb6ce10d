package main

import (
	"io"
	"runtime"

	"github.com/spf13/cobra"
)

func versionCommand(f *flags) *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			v := map[string]string{"version": version, "revision": revision, "go": runtime.Version()}
			return f.print(cmd.OutOrStdout(), v, func(w io.Writer) {
				line(w, "rotatord %s\t%s\t%s", version, revision, runtime.Version())
			})
		},
	}
}
