package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/rotatord/rotatord/config"
	"github.com/rotatord/rotatord/internal/app"
	"github.com/rotatord/rotatord/internal/report"
	"github.com/rotatord/rotatord/simulator"
)

// simulateFlags are the command line's.
type simulateFlags struct {
	years       float64
	credentials int
	inventory   string
	outage      string
	seed        uint64
	faults      bool
	html        string
	from        string
}

func simulateCommand(f *flags) *cobra.Command {
	s := &simulateFlags{}
	cmd := &cobra.Command{
		Use: "simulate", Short: "Show what the on-call would see in the years to come under this configuration", Args: args(cobra.NoArgs),
		Long: `Runs the daemon itself, with the policies, freezes and limits of the configuration, on a clock that runs fast, against a model of the
fleet: so many credentials with ages spread evenly, or those of a report. It calls nobody, reads no secret and needs no running daemon.

It prints rotations per month, peaks, collisions with windows and freezes, what would need a person, the keys past their deadline and those that an outage of so many days
would add, and the load against the providers' rate limits.`,
		Example: `  rotatord simulate -c my.yaml --years 2 --credentials 500
  rotatord report --format json --file report.json
  rotatord simulate -c my.yaml --inventory report.json --outage 5d --html forecast.html`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			fleet, err := s.fleet(f)
			if err != nil {
				return err
			}
			forecast, err := fleet.Run(cmd.Context())
			if errors.Is(err, context.Canceled) {
				return errors.New("stopped before the forecast was ready; nothing was written")
			}
			if err != nil {
				return err
			}
			if s.html != "" {
				if err := report.ToFile(s.html, forecast.HTML); err != nil {
					return err
				}
			}
			return f.print(cmd.OutOrStdout(), forecast, forecast.Text)
		},
	}
	flags := cmd.Flags()
	flags.Float64Var(&s.years, "years", 1, "how far to look")
	flags.IntVar(&s.credentials, "credentials", 200, "how many credentials the model has")
	flags.StringVar(&s.inventory, "inventory", "", "take the credentials from this file, which rotatord report --format json wrote")
	flags.StringVar(&s.outage, "outage", "", "let every provider be down for so long, such as 5d, beginning on the worst day")
	flags.BoolVar(&s.faults, "faults", false, "let calls fail now and then, in every way that the simulator knows")
	flags.Uint64Var(&s.seed, "seed", 1, "draws the faults: the same seed draws the same")
	flags.StringVar(&s.html, "html", "", "also write a page with a timeline into this file")
	flags.StringVar(&s.from, "from", "", "the day to begin with, such as 2027-01-01; today if not said")
	return cmd
}

// fleet makes the model that the command line asks for.
func (s *simulateFlags) fleet(f *flags) (*simulator.Fleet, error) {
	if s.years <= 0 || s.years > 50 || s.credentials < 1 {
		return nil, usage{errors.New("--years must be above 0 and at most 50, and --credentials at least 1")}
	}
	c, err := config.Load(f.config)
	if err != nil {
		return nil, usage{err}
	}
	fleet := &simulator.Fleet{Config: c, From: time.Now().UTC().Truncate(24 * time.Hour), Span: time.Duration(s.years * 365 * 24 * float64(time.Hour)),
		Seed: s.seed, Faults: s.faults}
	if s.from != "" {
		if fleet.From, err = time.Parse(time.DateOnly, s.from); err != nil {
			return nil, usage{fmt.Errorf("--from: %q is no day; write one such as 2027-01-01", s.from)}
		}
	}
	if s.outage != "" {
		var d config.Duration
		if err := d.UnmarshalText([]byte(s.outage)); err != nil {
			return nil, usage{fmt.Errorf("--outage: %w", err)}
		}
		fleet.Outage = time.Duration(d)
	}
	if fleet.Policies, fleet.Freezes, err = app.Rules(c); err != nil {
		return nil, err
	}
	if s.inventory == "" {
		return fleet, fleet.Spread(s.credentials)
	}
	return fleet, readInventory(s.inventory, fleet.Read)
}

func readInventory(path string, read func(io.Reader) error) error {
	file, err := os.Open(path) //nolint:gosec // the operator names the file
	if err != nil {
		return fmt.Errorf("--inventory: %w", err)
	}
	return errors.Join(read(file), file.Close())
}
