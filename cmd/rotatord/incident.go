package main

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/rotatord/rotatord/internal/client"
	"github.com/rotatord/rotatord/web"
)

func (f *flags) showIncidents(cmd *cobra.Command, c *client.Client, limit int) error {
	found, err := c.Incidents(cmd.Context(), limit)
	if err != nil {
		return err
	}
	return f.print(cmd.OutOrStdout(), found, func(w io.Writer) {
		if len(found.Incidents) == 0 {
			line(w, "no leak was reported")
			return
		}
		line(w, "REPORTED\tINCIDENT\tWHAT\tCREDENTIALS\tLEFT OUT\tBY\tNOTE")
		for _, i := range found.Incidents {
			line(w, "%s\t%s\t%s/%s/%s\t%d\t%d\t%s\t%s", i.At.Local().Format(time.DateTime), i.ID, i.Provider, i.User, i.Credential, i.Count, i.LeftOutAll, i.By, i.Note)
		}
	})
}

func (f *flags) showIncident(cmd *cobra.Command, c *client.Client, id, format string) error {
	i, err := c.Incident(cmd.Context(), id)
	if err != nil {
		return err
	}
	if err := f.print(cmd.OutOrStdout(), i, func(w io.Writer) {
		if format == "markdown" {
			_, _ = io.WriteString(w, i.Markdown()) // the caller looks at what is left of w
			return
		}
		printIncident(w, &i)
		printTimeline(w, &i)
	}); err != nil {
		return err
	}
	return incidentExit(&i)
}

func incidentExit(i *web.Incident) error {
	if i.Confirmed {
		return nil
	}
	return exit(exitPerson)
}

// followIncident returns how the leak stands once all of it is confirmed, or needs a person, or the wait is over. On a terminal it
// shows how far it has come; tell is called for each credential whose standing has changed.
func followIncident(cmd *cobra.Command, c *client.Client, id string, wait time.Duration, tell func(*web.IncidentCredential)) (i web.Incident, err error) {
	stood := map[web.CredentialName]string{}
	var bar *progress
	err = every(cmd.Context(), time.Now().Add(wait), func() (bool, error) {
		next, err := c.Incident(cmd.Context(), id)
		if err != nil {
			return false, fmt.Errorf("the leak is incident %s, goes on by itself, and cannot be followed: %w", id, err)
		}
		i = next
		if bar == nil {
			bar = newProgress(cmd.ErrOrStderr(), "confirmed", len(i.Credentials))
		}
		for n := range i.Credentials {
			s := &i.Credentials[n]
			if now := s.Standing + stageOf(s); stood[s.CredentialName] != now {
				stood[s.CredentialName] = now
				bar.hide()
				tell(s)
			}
		}
		bar.reach(i.Standings["confirmed"])
		return i.Settled, nil
	})
	if bar != nil {
		bar.hide()
	}
	return i, err
}

func stageOf(c *web.IncidentCredential) string {
	if c.Rotation == nil {
		return ""
	}
	return ", " + c.Rotation.Stage
}

// standingOrder is how completeness lists are ordered: what needs somebody comes first.
var standingOrder = []struct{ standing, words string }{
	{"not_rotated", "NOT ROTATED: the old key still works"},
	{"keys_left", "OLD KEYS LEFT"},
	{"blocked", "NOT CONFIRMED, waits for a person"},
	{"under_way", "NOT CONFIRMED YET, goes on by itself"},
	{"confirmed", "CONFIRMED: every sink holds the new key, every old key is refused"},
}

func printIncident(w io.Writer, i *web.Incident) {
	line(w, "Incident %s: %s/%s/%s leaked, says %s, %s", i.ID, i.Provider, i.User, i.Credential, i.By, when(i.At))
	if i.Note != "" {
		line(w, "  %s", i.Note)
	}
	for _, o := range standingOrder {
		if i.Standings[o.standing] == 0 {
			continue
		}
		line(w, "\n%s (%d of %d)", o.words, i.Standings[o.standing], len(i.Credentials))
		for n := range i.Credentials {
			if c := &i.Credentials[n]; c.Standing == o.standing {
				printIncidentCredential(w, c)
			}
		}
	}
	printLeftOut(w, i.LeftOut, i.MoreLeftOut)
}

func printIncidentCredential(w io.Writer, c *web.IncidentCredential) {
	state := ""
	if c.Rotation != nil {
		confirmed := 0
		for _, s := range c.Rotation.Sinks {
			if !s.ConfirmedAt.IsZero() {
				confirmed++
			}
		}
		state = fmt.Sprintf("rotation %s, %s, %d of %d sinks confirmed", c.Rotation.ID, c.Rotation.Stage, confirmed, len(c.Rotation.Sinks))
	}
	line(w, "  %s\t%s", c.CredentialName, state)
	for _, k := range c.OldKeys {
		line(w, "    key %s (id %s): %s; last used %s", k.Name, k.ID, k.State, when(k.LastUsed))
	}
	if c.Why != "" {
		line(w, "    why: %s", c.Why)
	}
	if c.Do != "" {
		line(w, "    do:  %s", c.Do)
	}
}

// printLeftOut lists keys that are not rotated by why.
func printLeftOut(w io.Writer, keys []web.LeftOutKey, more int) {
	if len(keys) == 0 {
		line(w, "\nNothing that is near was left out.")
		return
	}
	line(w, "\nLEFT OUT, and still accepted (%d)", len(keys)+more)
	for _, why := range []string{"unmanaged", "inactive", "same_user", "similar"} {
		first := true
		for _, k := range keys {
			if k.Why != why {
				continue
			}
			if first {
				line(w, "  %s", web.LeftOutWords(why))
				first = false
			}
			line(w, "    %s\tkey %s (id %s)\tlast used %s", k.CredentialName, k.Key.Name, k.Key.ID, when(k.LastUsed))
		}
	}
	if more > 0 {
		line(w, "    and %d more; see them all with: rotatord report", more)
	}
}

func printTimeline(w io.Writer, i *web.Incident) {
	line(w, "\nTIMELINE (UTC)")
	for _, h := range i.Timeline {
		about := "-"
		if h.Credential != nil {
			about = h.Credential.String()
		}
		line(w, "  %s\t%s\t%s\t%s", h.At.UTC().Format("2006-01-02 15:04:05"), about, orDash(h.Stage), h.What)
	}
}
