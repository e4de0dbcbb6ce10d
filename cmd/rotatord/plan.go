package main

import (
	"io"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/rotatord/rotatord/config"
	"github.com/rotatord/rotatord/rotator/forecast"
	"github.com/rotatord/rotatord/web"
)

func planCommand(f *flags) *cobra.Command {
	var ahead string
	var limit int
	cmd := &cobra.Command{
		Use: "plan", Short: "Show what will happen in the hours or days ahead, and what would be in the way", Args: args(cobra.NoArgs),
		Long: `Asks the running daemon what it will do, hour by hour, and what would collide with a hold, a window, a freeze or a cap.
Nothing is changed. The forecast takes every call to succeed and every old key to be idle when its time comes, and looks one
rotation of each credential ahead. Drills of the calendar are listed by themselves, by when their windows open. Times are UTC.`,
		Example: "  rotatord plan\n  rotatord plan --for 14d --actions 50",
		RunE: func(cmd *cobra.Command, _ []string) error {
			var d config.Duration
			if err := d.UnmarshalText([]byte(ahead)); err != nil {
				return usage{err}
			}
			c, err := f.daemon()
			if err != nil {
				return err
			}
			p, err := c.Plan(cmd.Context(), time.Duration(d), limit)
			if err != nil {
				return err
			}
			return f.print(cmd.OutOrStdout(), p, func(w io.Writer) { printPlan(w, &p, limit) })
		},
	}
	cmd.Flags().StringVar(&ahead, "for", "3d", "how far to look ahead, such as 12h or 14d; at most 90d")
	cmd.Flags().IntVar(&limit, "actions", 0, "how many single actions to list, the soonest first")
	return cmd
}

const hourLayout = "2006-01-02 15:04"

// planColumns are the kinds of actions with a word for each.
var planColumns = []struct {
	kind forecast.Kind
	word string
}{
	{forecast.Supply, "SUPPLY"}, {forecast.Mint, "MINT"}, {forecast.Extend, "EXTEND"}, {forecast.Deliver, "DELIVER"},
	{forecast.GraceEnd, "GRACE ENDS"}, {forecast.SwitchOff, "SWITCH OFF"}, {forecast.Revoke, "REVOKE"}, {forecast.Remove, "REMOVE"},
}

func printPlan(w io.Writer, p *web.Plan, limit int) {
	line(w, "From %s to %s UTC", p.From.UTC().Format(hourLayout), p.Until.UTC().Format(hourLayout))
	if len(p.Hours) == 0 {
		line(w, "Nothing happens by itself.")
	} else {
		printHours(w, p)
	}
	if len(p.Collisions) > 0 {
		line(w, "\nIN THE WAY")
	}
	for _, c := range p.Collisions {
		until := "until somebody acts"
		if !c.Until.IsZero() {
			until = "until " + c.Until.UTC().Format(hourLayout)
		}
		line(w, "  %s\t%s\t%s\t%d\tfrom %s %s", c.Provider, c.Obstacle, example(&c), c.Count, c.From.UTC().Format(hourLayout), until)
		line(w, "    why: %s", c.Why)
	}
	if p.More > 0 {
		line(w, "  and %d more", p.More)
	}
	for _, f := range p.Freezes {
		line(w, "\nFROZEN from %s to %s: %s", f.From.UTC().Format(hourLayout), f.To.UTC().Format(hourLayout), f.Reason)
	}
	printDrills(w, p.Drills)
	if limit > 0 {
		printActions(w, p)
	}
}

func printDrills(w io.Writer, drills []web.PlannedDrill) {
	if len(drills) > 0 {
		line(w, "\nDRILLS of the calendar, not counted above")
	}
	for _, d := range drills {
		what := "up to " + strconv.Itoa(d.Limit)
		if d.Frozen != "" {
			what = "none, frozen: " + d.Frozen
		}
		line(w, "  %s\t%s\tfrom %s to %s\t%s", d.Provider, d.Drill, d.From.UTC().Format(hourLayout), d.To.UTC().Format(hourLayout), what)
	}
}

func example(c *web.Collision) string {
	switch {
	case c.Example == nil:
		return "-"
	case c.Count > 1:
		return c.Example.String() + " and others"
	default:
		return c.Example.String()
	}
}

// printHours leaves out the columns in which nothing stands.
func printHours(w io.Writer, p *web.Plan) {
	head, total := "HOUR\tPROVIDER", "total\t"
	for _, c := range planColumns {
		if p.Totals[string(c.kind)] > 0 {
			head += "\t" + c.word
		}
	}
	line(w, "\n%s", head)
	for _, h := range p.Hours {
		line(w, "%s\t%s%s", h.At.UTC().Format(hourLayout), h.Provider, cells(p, h.Counts))
	}
	line(w, "%s%s", total, cells(p, p.Totals))
	for _, peak := range p.Peaks {
		line(w, "Most begin at %s in the hour from %s: %d", peak.Provider, peak.At.UTC().Format(hourLayout), peak.Begin)
	}
}

func cells(p *web.Plan, counts map[string]int) string {
	row := ""
	for _, c := range planColumns {
		if p.Totals[string(c.kind)] == 0 {
			continue
		}
		if n := counts[string(c.kind)]; n > 0 {
			row += "\t" + strconv.Itoa(n)
		} else {
			row += "\t-"
		}
	}
	return row
}

func printActions(w io.Writer, p *web.Plan) {
	line(w, "\nACTIONS")
	for _, a := range p.Actions {
		line(w, "  %s\t%s\t%s\t%s", a.At.UTC().Format(time.DateTime), a.Kind, a.CredentialName, a.Key)
	}
	if p.Truncated {
		line(w, "  and more: raise --actions")
	}
}
