package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/rotatord/rotatord/web"
)

func verifyCommand(f *flags) *cobra.Command {
	var ask web.VerifyRequest
	var all bool
	cmd := &cobra.Command{
		Use: "verify [PROVIDER[/USER[/CREDENTIAL]]]", Short: "Read every sink back and try every current key at its provider now", Args: args(cobra.MaximumNArgs(1)),
		Long: `Asks the running daemon to read back every sink of every credential that matches, to compare what a consumer reads there with what was
delivered, and to try at the provider what was read. Nothing is changed. What is not as it should be is listed with what to do; with
--all, what is as it should be too. The findings come as they are made, and are kept for the page and the metrics.

Exits with 3 if something needs a person: a sink that holds something else, a key that the provider refuses, a sink or a provider that
does not answer. One verification runs at a time.`,
		Example: "  rotatord verify\n  rotatord verify --all 'certcentral/ci-*'\n  rotatord verify -o json --policy ci",
		RunE: func(cmd *cobra.Command, given []string) error {
			sel, err := widely(given)
			if err != nil {
				return err
			}
			ask.Provider, ask.User, ask.Credential = sel.Provider, sel.User, sel.Credential
			c, err := f.daemon()
			if err != nil {
				return err
			}
			var out findings = &listing{out: cmd.OutOrStdout(), all: all, bar: newProgress(cmd.ErrOrStderr(), "verifying", -1), errOut: cmd.ErrOrStderr()}
			if f.output == "json" {
				out = &document{out: cmd.OutOrStdout()}
			}
			sum, err := c.Verify(cmd.Context(), ask, out.total, out.found)
			if err := out.end(sum, err); err != nil {
				return err
			}
			if sum.NeedsPerson > 0 {
				return exit(exitPerson)
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&ask.Policy, "policy", "", "only credentials that the policy of this name selects")
	cmd.Flags().BoolVar(&all, "all", false, "list what is as it should be, too")
	return cmd
}

// widely reads PROVIDER, PROVIDER/USER or PROVIDER/USER/CREDENTIAL; what is left out stands for all.
func widely(given []string) (web.Selection, error) {
	if len(given) == 0 {
		return web.Selection{Provider: "*", User: "*", Credential: "*"}, nil
	}
	parts := strings.SplitN(given[0], "/", 3)
	for len(parts) < 3 {
		parts = append(parts, "*")
	}
	return selection(strings.Join(parts, "/"))
}

// findings takes what a verification finds, as it comes.
type findings interface {
	total(n int)
	found(v *web.Verification) error
	// end takes the summary, or what ended it before; that it returns.
	end(sum *web.VerifySummary, err error) error
}

// listing writes findings for people.
type listing struct {
	out, errOut io.Writer
	all         bool
	bar         *progress
	seen        int
}

func (l *listing) total(n int) { l.bar = newProgress(l.errOut, "verifying", n) }

func (l *listing) found(v *web.Verification) error {
	l.seen++
	if v.NeedsPerson || l.all {
		l.bar.hide()
		printVerification(l.out, v)
	}
	l.bar.reach(l.seen)
	return nil
}

func (l *listing) end(sum *web.VerifySummary, err error) error {
	l.bar.hide()
	if err != nil {
		return err
	}
	words := paint(l.out, green, "nothing needs a person")
	if sum.NeedsPerson > 0 {
		words = paint(l.out, red, fmt.Sprintf("%d NEED A PERSON", sum.NeedsPerson))
	}
	_, err = fmt.Fprintf(l.out, "%d credentials looked at in %s: %s; %s\n", sum.Credentials, span(sum.EndedAt.Sub(sum.BeganAt).Round(time.Millisecond)), outcomes(sum.Outcomes), words)
	return err
}

func outcomes(counts map[string]int) string {
	var parts []string
	for _, o := range []string{"ok", "moving", "undelivered", "differs", "refused", "unreachable"} {
		if counts[o] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", counts[o], o))
		}
	}
	if len(parts) == 0 {
		return "none"
	}
	return strings.Join(parts, ", ")
}

func printVerification(w io.Writer, v *web.Verification) {
	colour := green
	if v.NeedsPerson {
		colour = red
	}
	who := v.String()
	if v.ServiceUser != "" && v.ServiceUser != v.UserID {
		who += " (" + v.ServiceUser + ")"
	}
	_, _ = fmt.Fprintf(w, "%s  ", paint(w, colour, v.Outcome)) // nobody is left to tell if this fails
	line(w, "%s  key %s (id %s) %s", who, v.Key.Name, v.Key.ID, v.Fingerprint)
	for _, s := range v.Sinks {
		state := "holds it"
		if !s.Matches {
			state = "does not hold it: " + s.Trouble
		}
		line(w, "  %s at %s %s", s.Sink, s.Location, state)
	}
	if v.Why != "" {
		line(w, "  why: %s", v.Why)
	}
	if v.Do != "" {
		line(w, "  do:  %s", v.Do)
	}
}

// document writes one JSON object, a finding at a time.
type document struct {
	out  io.Writer
	some bool
}

func (*document) total(int) {}

func (d *document) found(v *web.Verification) error {
	start := ",\n    "
	if !d.some {
		start, d.some = "{\n  \"verifications\": [\n    ", true
	}
	text, err := json.MarshalIndent(v, "    ", "  ")
	if err == nil {
		_, err = fmt.Fprintf(d.out, "%s%s", start, text)
	}
	return err
}

func (d *document) end(sum *web.VerifySummary, err error) error {
	if err != nil {
		return err
	}
	text, err := json.MarshalIndent(sum, "  ", "  ")
	if err != nil {
		return err
	}
	start := "\n  ]"
	if !d.some {
		start = "{\n  \"verifications\": []"
	}
	_, err = fmt.Fprintf(d.out, "%s,\n  \"summary\": %s\n}\n", start, text)
	return err
}
