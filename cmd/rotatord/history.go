package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/rotatord/rotatord/config"
	"github.com/rotatord/rotatord/internal/client"
	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/web"
)

// looking is what the history command is told.
type looking struct {
	state, reason, policy, since string
	limit                        int
	incident, format             string
	incidents                    bool
}

func historyCommand(f *flags) *cobra.Command {
	l := &looking{}
	cmd := &cobra.Command{
		Use: "history [ROTATION | PROVIDER[/USER[/CREDENTIAL]]]", Short: "Show rotations, what happened in them, and the timelines of leaks", Args: args(cobra.MaximumNArgs(1)),
		Long: `Asks the running daemon for rotations of now and of the past: those under way first, those in their stage the longest first of all, then
those that ended, the latest first. One rotation, named by its id, is shown with every stage, how long it took, what each sink confirmed,
and all that happened.

--incident shows a leak that was reported with rotate --compromised: what is confirmed and what is not, now; what was left out; and the
timeline, which --format markdown writes for an incident report. --incidents lists them.`,
		Example: `  rotatord history certcentral/ci-build
  rotatord history 20260301-k3j5h2g8d1
  rotatord history --reason drill --since 90d
  rotatord history --incident incident-20260301-k3j5h2 --format markdown > report.md`,
		RunE: func(cmd *cobra.Command, given []string) error {
			if err := l.check(given); err != nil {
				return usage{err}
			}
			c, err := f.daemon()
			if err != nil {
				return err
			}
			switch {
			case l.incidents:
				return f.showIncidents(cmd, c, l.limit)
			case l.incident != "":
				return f.showIncident(cmd, c, l.incident, l.format)
			case len(given) == 1 && rotationID.MatchString(given[0]):
				return f.showRotation(cmd, c, given[0])
			default:
				return f.showRotations(cmd, c, l, given)
			}
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&l.state, "state", "all", "open, ended or all")
	flags.StringVar(&l.reason, "reason", "", "only rotations for this reason: "+words(rotator.Reasons()))
	flags.StringVar(&l.policy, "policy", "", "only rotations under the policy of this name")
	flags.StringVar(&l.since, "since", "", "only rotations that something moved in this span, such as 7d")
	flags.IntVar(&l.limit, "limit", 50, "how many at most")
	flags.StringVar(&l.incident, "incident", "", "show the leak of this id")
	flags.StringVar(&l.format, "format", "text", "of an incident: text or markdown")
	flags.BoolVar(&l.incidents, "incidents", false, "list the leaks that were reported")
	return cmd
}

// rotationID is what the id of a rotation looks like.
var rotationID = regexp.MustCompile(`^[0-9]{8}-[a-z0-9]{10}$`)

func (l *looking) check(given []string) error {
	switch {
	case !slices.Contains([]string{"open", "ended", "all"}, l.state):
		return fmt.Errorf("--state is %q; write open, ended or all", l.state)
	case l.format != "text" && l.format != "markdown":
		return fmt.Errorf("--format is %q; write text or markdown", l.format)
	case l.limit < 1:
		return fmt.Errorf("--limit is %d; write a number above zero", l.limit)
	case l.incident != "" && len(given) > 0:
		return errors.New("an incident is shown as a whole: leave out either --incident or what else to show")
	case l.reason != "":
		return known("--reason", []string{l.reason}, rotator.Reasons())
	default:
		return nil
	}
}

func (l *looking) values(given []string) (url.Values, error) {
	sel, err := widely(given)
	if err != nil {
		return nil, err
	}
	q := url.Values{"state": {l.state}, "provider": {sel.Provider}, "user": {sel.User}, "credential": {sel.Credential}}
	for name, value := range map[string]string{"reason": l.reason, "policy": l.policy} {
		if value != "" {
			q.Set(name, value)
		}
	}
	if l.since != "" {
		var d config.Duration
		if err := d.UnmarshalText([]byte(l.since)); err != nil {
			return nil, usage{fmt.Errorf("--since: %w", err)}
		}
		q.Set("since", time.Now().Add(-time.Duration(d)).UTC().Format(time.RFC3339))
	}
	return q, nil
}

// historyPage is how many rotations are asked for at once.
const historyPage = 500

func (f *flags) showRotations(cmd *cobra.Command, c *client.Client, l *looking, given []string) error {
	q, err := l.values(given)
	if err != nil {
		return err
	}
	all, err := pages(cmd.Context(), c, q, l.limit)
	if err != nil {
		return err
	}
	return f.print(cmd.OutOrStdout(), all, func(w io.Writer) {
		if len(all.Rotations) == 0 {
			line(w, "no rotations")
			return
		}
		line(w, "SINCE\tSTAGE\tREASON\tCREDENTIAL\tKEYS\tROTATION\tBY")
		for i := range all.Rotations {
			printRotationLine(w, &all.Rotations[i])
		}
		if all.Truncated {
			line(w, "and more: raise --limit")
		}
	})
}

func pages(ctx context.Context, c *client.Client, q url.Values, limit int) (web.Rotations, error) {
	all := web.Rotations{Rotations: []web.Rotation{}}
	for {
		q.Set("limit", strconv.Itoa(min(historyPage, limit-len(all.Rotations))))
		page, err := c.Rotations(ctx, q)
		if err != nil {
			return all, err
		}
		all.Rotations = append(all.Rotations, page.Rotations...)
		all.Truncated, all.Next = page.Truncated, page.Next
		if page.Next == "" || len(all.Rotations) >= limit {
			return all, nil
		}
		q.Set("cursor", page.Next)
	}
}

func printRotationLine(w io.Writer, r *web.Rotation) {
	stage := r.Stage
	if r.Blocked != "" {
		stage += " (" + r.Blocked + ")"
	}
	by := r.Actor
	if by == "" {
		by = "-"
	}
	keys := orDash(r.OldKey.Name) + " -> " + r.NewKey.Name
	if !r.ExtendTo.IsZero() {
		keys = r.OldKey.Name + ", extended"
	}
	line(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s", r.StageAt.Local().Format(time.DateTime), stage, r.Reason, r.CredentialName, keys, r.ID, by)
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

func (f *flags) showRotation(cmd *cobra.Command, c *client.Client, id string) error {
	r, err := c.Rotation(cmd.Context(), id)
	if err != nil {
		return err
	}
	stages := stagesOf(&r, time.Now())
	return f.print(cmd.OutOrStdout(), struct {
		web.RotationHistory
		Stages []stageTime `json:"stages"`
	}{r, stages}, func(w io.Writer) { printRotation(w, &r, stages) })
}

func printRotation(w io.Writer, r *web.RotationHistory, stages []stageTime) {
	line(w, "Rotation %s of %s (%s), policy %s", r.ID, r.CredentialName, orDash(r.ServiceUser), r.Policy)
	asked := "by the daemon itself"
	if r.Actor != "" {
		asked = "by " + r.Actor
	}
	line(w, "planned %s %s: %s", when(r.PlannedAt), asked, r.Reason)
	line(w, "old key %s (id %s), to be gone by %s", orDash(r.OldKey.Name), orDash(r.OldKey.ID), when(r.Deadline))
	line(w, "new key %s (id %s), fingerprint %s", r.NewKey.Name, orDash(r.NewKey.ID), orDash(r.Fingerprint))
	for _, s := range r.Sinks {
		state := "not confirmed: " + orDash(s.Trouble)
		if !s.ConfirmedAt.IsZero() {
			state = "confirmed " + s.ConfirmedAt.Local().Format(time.DateTime) + ", " + orDash(s.Receipt)
		}
		line(w, "sink %s at %s: %s", s.Sink, s.Location, state)
	}
	line(w, "")
	printStages(w, stages)
	line(w, "\nAT\tSTAGE\tWHAT HAPPENED")
	for _, e := range r.History {
		line(w, "%s\t%s\t%s", e.At.Local().Format(time.DateTime), e.To, e.Note)
	}
	line(w, "")
	printEnd(w, &r.Rotation)
}
