package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/rotatord/rotatord/config"
	"github.com/rotatord/rotatord/internal/client"
	"github.com/rotatord/rotatord/web"
)

// drilled is what a drill comes to, as JSON.
type drilled struct {
	web.Drill
	Stages []stageTime `json:"stages"`
}

func drillCommand(f *flags) *cobra.Command {
	r := web.DrillRequest{}
	var yes bool
	var wait string
	cmd := &cobra.Command{
		Use: "drill PROVIDER/USER/CREDENTIAL", Short: "Rotate one credential to see that rotating works", Args: args(cobra.ExactArgs(1)),
		Long: `Rotates one credential although it is not due, the whole way, and tells each stage with its times. It endangers the credential no more than
any rotation does: the new key is tried before a sink sees it, every sink is read back, both keys work for the grace period, and the old one
goes only on evidence. A hold, a freeze, a rotation under way or a provider that is paused refuse it: it can be done another day.

What it would do is shown first, and has to be confirmed: at a terminal, or with --yes. Then it is followed for as long as --wait says; what
takes longer, such as the grace period, goes on by itself. Exits with 3 if it waits for a person, with 1 if it was abandoned.`,
		Example: "  rotatord drill --dry-run certcentral/ci-canary/deploy\n  rotatord drill --yes --wait 2h certcentral/ci-canary/deploy",
		RunE: func(cmd *cobra.Command, given []string) error {
			var err error
			if r.Selection, err = selection(given[0]); err != nil {
				return err
			}
			var span config.Duration
			if err := span.UnmarshalText([]byte(wait)); err != nil {
				return usage{fmt.Errorf("--wait: %w", err)}
			}
			c, err := f.daemon()
			if err != nil {
				return err
			}
			return f.drill(cmd, c, r, yes, time.Duration(span))
		},
	}
	cmd.Flags().BoolVar(&r.DryRun, "dry-run", false, "only say what it would do")
	cmd.Flags().BoolVar(&yes, "yes", false, "do it without asking")
	cmd.Flags().StringVar(&wait, "wait", "10m", "how long to follow it, such as 0s, 30m or 8d")
	return cmd
}

func (f *flags) drill(cmd *cobra.Command, c *client.Client, ask web.DrillRequest, yes bool, wait time.Duration) error {
	look := ask
	look.DryRun = true
	plan, err := c.Drill(cmd.Context(), look)
	if err != nil {
		return err
	}
	if ask.DryRun {
		if err := f.print(cmd.OutOrStdout(), drilled{Drill: plan, Stages: []stageTime{}}, func(w io.Writer) { explainDrill(w, &plan) }); err != nil || plan.Obstacle == "" {
			return err
		}
		return exit(exitPerson)
	}
	if plan.Obstacle != "" {
		return errors.New(plan.Obstacle)
	}
	if !yes {
		explainDrill(cmd.ErrOrStderr(), &plan)
		if err := askYes(cmd); err != nil {
			return err
		}
	}
	ask.KeyID = plan.OldKey.ID
	d, err := c.Drill(cmd.Context(), ask)
	if err != nil {
		return err
	}
	return f.followDrill(cmd, c, &d, wait)
}

func (f *flags) followDrill(cmd *cobra.Command, c *client.Client, d *web.Drill, wait time.Duration) error {
	bar := newProgress(cmd.ErrOrStderr(), "drill "+d.Rotation.ID, -1)
	steps := 0
	r, err := follow(cmd.Context(), c, d.Rotation.ID, wait, func(r *web.RotationHistory) {
		bar.hide()
		for ; f.output == "text" && steps < len(r.History); steps++ {
			e := r.History[steps]
			line(cmd.OutOrStdout(), "%s  %s  %s", e.At.Local().Format(time.TimeOnly), e.To, e.Note)
		}
		bar.reach(len(r.History))
	})
	bar.hide()
	if err != nil {
		return fmt.Errorf("the drill was begun as rotation %s and cannot be followed: %w", d.Rotation.ID, err)
	}
	d.Rotation = &r.Rotation
	stages := stagesOf(&r, time.Now())
	if err := f.print(cmd.OutOrStdout(), drilled{Drill: *d, Stages: stages}, func(w io.Writer) {
		line(w, "")
		printStages(w, stages)
		line(w, "")
		printEnd(w, &r.Rotation)
	}); err != nil {
		return err
	}
	return standing(&r.Rotation)
}

func explainDrill(w io.Writer, d *web.Drill) {
	line(w, "A drill of %s (policy %s) replaces key %s (id %s) by %s:", d.CredentialName, d.Policy, d.OldKey.Name, d.OldKey.ID, d.NewKey.Name)
	if d.Supplied {
		line(w, "  a person makes the new key and hands it over: rotatord supply %s", d.CredentialName)
	} else {
		line(w, "  the provider makes the new key, and it is tried there")
	}
	for _, s := range d.Sinks {
		line(w, "  it is delivered to %s, at %s, and read back", s.Sink, s.Location)
	}
	line(w, "  both keys work for %s", readable(d.Grace))
	if d.Idle != "0s" {
		line(w, "  the old key goes when nobody has used it for %s, as far as the provider tells", readable(d.Idle))
	}
	if !d.WindowOpens.IsZero() {
		line(w, "  and not before the policy's window opens, %s", when(d.WindowOpens))
	}
	if d.Soak != "" {
		line(w, "  it is switched off, can be brought back for %s with rotatord undo, and is then revoked", readable(d.Soak))
	}
	if d.RemovedByHand {
		line(w, "  a person removes the old key and says so: rotatord removed %s", d.CredentialName)
	}
	if d.Obstacle != "" {
		line(w, "It would be refused now: %s", d.Obstacle)
	}
}

// readable prints a duration of the API for people.
func readable(d string) string {
	parsed, err := time.ParseDuration(d)
	if err != nil {
		return d
	}
	return span(parsed)
}

// askYes asks at a terminal; without one it says what to write.
func askYes(cmd *cobra.Command) error {
	in := cmd.InOrStdin()
	if !onTerminal(in) {
		return usage{errors.New("nothing was done; to do it, write --yes")}
	}
	_, _ = fmt.Fprint(cmd.ErrOrStderr(), "Type yes to go on: ") // a terminal that is gone answers nothing either
	typed, err := bufio.NewReader(in).ReadString('\n')
	if err != nil || strings.TrimSpace(typed) != "yes" {
		return usage{errors.New("that is not yes; nothing was done")}
	}
	return nil
}
