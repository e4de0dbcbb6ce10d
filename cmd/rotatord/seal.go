package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"github.com/rotatord/rotatord/rotator/seal"
)

func sealCommand(f *flags) *cobra.Command {
	cmd := &cobra.Command{Use: "seal", Short: "Look after the key that seals secrets in flight", RunE: group}
	cmd.AddCommand(sealInitCommand(), sealRotateCommand(f), sealAbandonCommand(f))
	return cmd
}

func sealInitCommand() *cobra.Command {
	var keep bool
	cmd := &cobra.Command{
		Use: "init [FILE]", Short: "Make a new seal key", Args: args(cobra.MaximumNArgs(1)),
		Long: `Writes a new random seal key to FILE, with mode 0400, or to standard output. A file that exists is never overwritten: with
another key, what is sealed in the journal could not be opened any more. To exchange a key: rotatord seal rotate.`,
		RunE: func(cmd *cobra.Command, given []string) error {
			if len(given) == 0 {
				line(cmd.OutOrStdout(), "%s", seal.NewKey())
				return nil
			}
			err := writeSealKey(given[0])
			if keep && errors.Is(err, fs.ErrExist) {
				return nil
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&keep, "keep", false, "succeed without doing anything where FILE exists")
	return cmd
}

// writeSealKey writes a new key to a file that must not exist yet.
func writeSealKey(path string) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o400) //nolint:gosec // the file that was asked for
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(file, seal.NewKey())
	return errors.Join(err, file.Sync(), file.Close())
}
