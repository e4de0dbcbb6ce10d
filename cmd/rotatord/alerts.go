package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/rotatord/rotatord/deploy/prometheus"
)

func alertsCommand() *cobra.Command {
	var labels []string
	var runbooks string
	cmd := &cobra.Command{
		Use: "alerts", Short: "Print the alerting rules for Prometheus, with the labels that you route by", Args: args(cobra.NoArgs),
		Long: `Prints the alerting rules that belong to this version, for a file among the rule_files of Prometheus. It asks no daemon.

An alert about keys of a policy carries labels that the configuration gives to the policy, or else to the provider: those that --labels names. Write the
output into a file, and again after an upgrade.`,
		Example: "  rotatord alerts --labels team,service --runbooks https://rotatord.example.com/runbooks > /etc/prometheus/rotatord.rules.yml",
		RunE: func(cmd *cobra.Command, _ []string) error {
			text, err := prometheus.Rules(labels, runbooks)
			if err != nil {
				return usage{err}
			}
			_, err = fmt.Fprint(cmd.OutOrStdout(), text)
			return err
		},
	}
	cmd.Flags().StringSliceVar(&labels, "labels", []string{"team"}, "labels of policies and providers that alerts carry")
	cmd.Flags().StringVar(&runbooks, "runbooks", "", "address below which the runbooks are read, such as that of the daemon's own; the repository's, when left out")
	return cmd
}
