package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/rotatord/rotatord/config"
	"github.com/rotatord/rotatord/internal/client"
	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/web"
)

func rotateCommand(f *flags) *cobra.Command {
	r := web.RotateRequest{}
	var compromised bool
	var wait config.Duration
	var patience string
	cmd := &cobra.Command{
		Use: "rotate PROVIDER/USER/CREDENTIAL", Short: "Rotate credentials now", Args: args(cobra.ExactArgs(1)),
		Long: `Asks the running daemon to rotate every credential that matches, now, without waiting for its deadline, its policy's window
or the blast-radius cap. USER is the service user's id, name or e-mail; each part may hold * and ?. A hold is respected.

--compromised also sets aside freezes, the grace period and the idle time. What it does not set aside: every sink is
read back and the new key is tried before the old one is revoked. A rotation that is under way is hastened. Where more than one
credential matches, they are listed and nothing is done before their number is confirmed: typed at a terminal, or given with --expect.
It opens an incident, follows it, and ends with the list of what is and is not confirmed, and of keys that were left out and may be in
danger all the same: keys that match and that no policy selects, other keys of the same service users, keys that nearly match. It exits
with 3 unless all is confirmed. The list, and the timeline for the incident report, are shown again by rotatord history --incident.

--start-over is for a rotation that cannot go on, because a sink lost the new key, say. The key that is given up is left
alone until the old one goes, and is revoked with it on the same evidence.`,
		Example: "  rotatord rotate certcentral/ci-build/deploy\n  rotatord rotate --dry-run 'certcentral/*/deploy*'",
		RunE: func(cmd *cobra.Command, given []string) error {
			var err error
			if r.Selection, err = selection(given[0]); err != nil {
				return err
			}
			if err := wait.UnmarshalText([]byte(patience)); err != nil {
				return usage{fmt.Errorf("--wait: %w", err)}
			}
			r.Reason = string(rotator.ReasonManual)
			if compromised {
				r.Reason = string(rotator.ReasonCompromised)
			}
			c, err := f.daemon()
			if err != nil {
				return err
			}
			if err := confirmMany(cmd, c, &r, compromised); err != nil {
				return err
			}
			a, err := c.Rotate(cmd.Context(), r)
			if err != nil {
				return err
			}
			if a.Incident != "" {
				return f.followLeak(cmd, c, &a, time.Duration(wait))
			}
			if err := f.print(cmd.OutOrStdout(), a, func(w io.Writer) { printRotate(w, &a) }); err != nil {
				return err
			}
			if a.Failed > 0 {
				return exit(exitFailed)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&compromised, "compromised", false, "the secret leaked: do not wait for anything but proof")
	cmd.Flags().BoolVar(&r.StartOver, "start-over", false, "give up the new key of a rotation that cannot go on, and make another")
	cmd.Flags().IntVar(&r.Expect, "expect", 0, "how many credentials are meant; if another number matches, nothing is done")
	cmd.Flags().StringVar(&r.Note, "note", "", "what is known of the leak, for the incident's report")
	cmd.Flags().StringVar(&patience, "wait", "10m", "how long to follow a leak until all of it is confirmed, such as 0s or 1h")
	cmd.Flags().BoolVar(&r.DryRun, "dry-run", false, "only list what matches")
	return cmd
}

func printRotate(w io.Writer, a *web.RotateAnswer) {
	for _, x := range a.Results {
		switch {
		case x.Error != "":
			line(w, "%s\tnot planned\t%s", x.CredentialName, x.Error)
		case x.Rotation != nil:
			line(w, "%s\tplanned\trotation %s, %s -> %s", x.CredentialName, x.Rotation.ID, x.Rotation.OldKey.Name, x.Rotation.NewKey.Name)
		default:
			line(w, "%s\tmatches", x.CredentialName)
		}
	}
	if len(a.LeftOut) > 0 {
		printLeftOut(w, a.LeftOut, a.MoreLeftOut)
		line(w, "")
	}
	if a.Planned+a.Failed > 0 {
		line(w, "%d planned, %d not", a.Planned, a.Failed)
	} else {
		line(w, "%d match; nothing was changed", len(a.Results))
	}
}

// selection reads PROVIDER/USER/CREDENTIAL. A credential's name may hold slashes; the other two may not.
func selection(s string) (web.Selection, error) {
	parts := strings.SplitN(s, "/", 3)
	if len(parts) != 3 || parts[0] == "" || parts[1] == "" || parts[2] == "" {
		return web.Selection{}, usage{fmt.Errorf("%q does not name a credential; write PROVIDER/USER/CREDENTIAL, such as certcentral/ci-build/deploy; * matches anything", s)}
	}
	return web.Selection{Provider: parts[0], User: parts[1], Credential: parts[2]}, nil
}

// leak is what a rotation for a leak comes to, as JSON.
type leak struct {
	*web.RotateAnswer
	Standing *web.Incident `json:"standing"`
}

// followLeak follows the incident that was opened and ends with what is and is not confirmed.
func (f *flags) followLeak(cmd *cobra.Command, c *client.Client, a *web.RotateAnswer, wait time.Duration) error {
	out := cmd.OutOrStdout()
	tell := func(*web.IncidentCredential) {}
	if f.output == "text" {
		if err := f.print(out, a, func(w io.Writer) {
			printRotate(w, &web.RotateAnswer{Planned: a.Planned, Failed: a.Failed, Results: a.Results})
		}); err != nil {
			return err
		}
		line(out, "incident %s is opened and followed for %s; what is left then goes on by itself", a.Incident, span(wait))
		tell = func(s *web.IncidentCredential) {
			why := ""
			if s.Why != "" {
				why = ": " + s.Why
			}
			line(out, "%s  %s  %s%s%s", time.Now().Format(time.TimeOnly), s.CredentialName, s.Standing, stageOf(s), why)
		}
	}
	i, err := followIncident(cmd, c, a.Incident, wait, tell)
	if err != nil {
		return err
	}
	if err := f.print(out, leak{a, &i}, func(w io.Writer) {
		line(w, "")
		printIncident(w, &i)
		line(w, "\nIts timeline, for the incident report: rotatord history --incident %s --format markdown", i.ID)
	}); err != nil {
		return err
	}
	return incidentExit(&i)
}
