package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/rotatord/rotatord/config"
	"github.com/rotatord/rotatord/internal/client"
	"github.com/rotatord/rotatord/internal/report"
	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/web"
)

// reportFlags are the command line's.
type reportFlags struct {
	format, file, unusedFor string
	wide                    bool
	client.ReportQuery
}

func reportCommand(f *flags) *cobra.Command {
	r := &reportFlags{}
	cmd := &cobra.Command{
		Use: "report", Short: "Report every key: its class, age, owner, expiry, policy, rotations and evidence", Args: args(cobra.NoArgs),
		Long: `Asks the running daemon for every key that its scans saw, managed or not. Each is of one class, and what is to be said against
it is named. A table has the columns that fit a screen, all of them with --wide; csv, json and html always have all.`,
		Example: `  rotatord report --finding no_expiry,too_old,unused
  rotatord report --format html --file keys.html
  rotatord report --format csv --class unmanaged --provider certcentral
  rotatord report --by team
  rotatord report --label team=pki,team=platform --finding not_moving`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := r.check(f); err != nil {
				return usage{err}
			}
			c, err := f.daemon()
			if err != nil {
				return err
			}
			if r.file == "" {
				return r.write(cmd.Context(), c, cmd.OutOrStdout())
			}
			return report.ToFile(r.file, func(w io.Writer) error { return r.write(cmd.Context(), c, w) })
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&r.format, "format", "table", strings.Join(report.Formats(), ", "))
	flags.StringVar(&r.file, "file", "", "write the report into this file, whole or not at all, and not to standard output")
	flags.BoolVar(&r.wide, "wide", false, "all columns in a table")
	flags.StringVar(&r.Provider, "provider", "", "only keys of the provider of this name")
	flags.StringVar(&r.Policy, "policy", "", "only keys that the policy of this name selects")
	flags.StringSliceVar(&r.Classes, "class", nil, "only keys of one of these classes: "+words(rotator.Classes()))
	flags.StringSliceVar(&r.Findings, "finding", nil, "only keys with one of these findings: "+words(rotator.Findings()))
	flags.StringSliceVar(&r.Labels, "label", nil, "only keys with one of these labels of their provider or policy, such as team=pki; team= is for keys without that label")
	flags.StringVar(&r.By, "by", "", "count by the values of this label too, such as team")
	flags.StringVar(&r.unusedFor, "unused-for", "90d", "since when a key must not have been used to count as unused, such as 90d")
	return cmd
}

// check says what is wrong with the command line.
func (r *reportFlags) check(f *flags) error {
	if f.output == "json" && r.format == "table" {
		r.format = "json"
	}
	if !slices.Contains(report.Formats(), r.format) {
		return fmt.Errorf("--format is %q; write %s", r.format, strings.Join(report.Formats(), ", "))
	}
	if r.By != "" && r.format == "csv" {
		return errors.New("--by counts, and csv has a line for each key and no counts; take table, json or html")
	}
	for _, l := range r.Labels {
		if name, _, ok := strings.Cut(l, "="); !ok || name == "" {
			return fmt.Errorf("--label is %q; write name=value, as in team=pki, or team= for keys without one", l)
		}
	}
	var d config.Duration
	if err := d.UnmarshalText([]byte(r.unusedFor)); err != nil {
		return fmt.Errorf("--unused-for: %w", err)
	}
	if r.UnusedFor = time.Duration(d); r.UnusedFor <= 0 {
		return errors.New("--unused-for must be above zero, such as 90d")
	}
	return errors.Join(known("--class", r.Classes, rotator.Classes()), known("--finding", r.Findings, rotator.Findings()))
}

func known[T ~string](flag string, given []string, all []T) error {
	for _, g := range given {
		if !slices.Contains(all, T(g)) {
			return fmt.Errorf("%s has no %q; there are %s", flag, g, words(all))
		}
	}
	return nil
}

func words[T ~string](all []T) string {
	parts := make([]string, len(all))
	for i, w := range all {
		parts[i] = string(w)
	}
	return strings.Join(parts, ", ")
}

func (r *reportFlags) write(ctx context.Context, c *client.Client, out io.Writer) (err error) {
	w, err := report.New(r.format, out, report.Options{Colour: isTerminal(out), Wide: r.wide, Only: r.only()})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	summary, err := c.Report(ctx, r.ReportQuery, func(k *web.ReportedKey) error { return w.Key(k) })
	if err != nil {
		return err
	}
	return w.Finish(summary)
}

// only says in words what the report is narrowed to.
func (r *reportFlags) only() string {
	var parts []string
	for _, p := range []struct {
		what   string
		values []string
	}{{"provider", []string{r.Provider}}, {"policy", []string{r.Policy}}, {"class", r.Classes}, {"finding", r.Findings}, {"label", r.Labels}} {
		if values := strings.Join(p.values, " or "); values != "" {
			parts = append(parts, p.what+" "+values)
		}
	}
	return strings.Join(parts, ", ")
}
