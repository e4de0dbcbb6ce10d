package main

import (
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/rotatord/rotatord/web"
)

func statusCommand(f *flags) *cobra.Command {
	return &cobra.Command{
		Use: "status", Short: "Show what needs a person, what is in motion and what is due next", Args: args(cobra.NoArgs),
		Long: "Asks the running daemon. Exits with 3 if something needs a person.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := f.daemon()
			if err != nil {
				return err
			}
			s, err := c.Status(cmd.Context())
			if err != nil {
				return err
			}
			if err := f.print(cmd.OutOrStdout(), s, func(w io.Writer) { printStatus(w, &s) }); err != nil {
				return err
			}
			if s.NeedsPerson {
				return exit(exitPerson)
			}
			return nil
		},
	}
}

func printStatus(w io.Writer, s *web.Status) {
	if s.NeedsPerson {
		line(w, "NEEDS A PERSON")
		for _, i := range s.Attention {
			deadline := ""
			if !i.Deadline.IsZero() {
				deadline = ", the key must be gone by " + when(i.Deadline)
			}
			line(w, "  %s\t%s\tsince %s%s", i.What, i.Reason, when(i.Since), deadline)
			line(w, "    why: %s", i.Why)
			line(w, "    do:  %s", i.Do)
		}
	} else {
		line(w, "Nothing needs a person.")
	}
	for _, i := range s.Waiting {
		line(w, "  waits: %s\t%s\t%s", i.What, i.Reason, i.Why)
	}
	printFrozen(w, s)
	line(w, "\nPROVIDERS")
	for _, p := range s.Providers {
		line(w, "  %s\t%d users\t%d keys\t%d managed\t%d waiting\tlast scan %s", p.Name, p.Users, p.Keys, p.KeysByState["managed"],
			p.KeysByState["waiting"], when(p.LastScan))
		if p.Owner != "" {
			line(w, "    replica %s acts on it since %s", p.Owner, p.OwnerSince.Local().Format(time.DateTime))
		}
		if p.PausedUntil.After(s.Now) {
			line(w, "    paused until %s: %s", p.PausedUntil.Local().Format(time.TimeOnly), p.PausedWhy)
		}
	}
	line(w, "\nIN MOTION")
	for _, r := range s.InMotion {
		line(w, "  %s\t%s\t%s -> %s\tnext step %s", r.CredentialName, r.Stage, r.OldKey.Name, r.NewKey.Name, when(r.NextAt))
	}
	line(w, "\nDUE NEXT")
	for _, k := range s.DueNext {
		begins := "rotates " + when(k.Due)
		if k.ObserveOnly {
			begins = "nobody rotates it: the policy only observes; replace it by hand after " + when(k.Due)
		}
		line(w, "  %s\t%s\t%s\tdeadline %s", k.CredentialName, k.Key.Name, begins, when(k.Deadline))
	}
}
