package simulator

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/rotatord/rotatord/simulator/world"
)

// Lines is how much of a story a person reads.
const Lines = 80

// Tell writes what was found as a story: what broke, what the world was like, what people and chance did, and what happened last. It
// prints the last lines, of which there are so many.
func (f *Find) Tell(w io.Writer, lines int) {
	p := func(format string, args ...any) { _, _ = fmt.Fprintf(w, format+"\n", args...) }
	s := f.Scenario
	p("seed %d breaks %s", f.Seed, f.Breach)
	p("\nThe world, from %s on:", s.Start.Format(time.DateTime))
	p("  %s, looks every %s, scans at %q, starts %.0f%% or %d rotations between two scans", daemons(s.Replicas), round(s.Look), s.Scan,
		s.Limits.MaxShare*100, s.Limits.AlwaysAllowed)
	for i := range s.Accounts {
		p("  account %d: %s", i, accountInWords(&s.Accounts[i]))
	}
	for i := range s.Policies {
		p("  %s", policyInWords(&s.Policies[i]))
	}
	for i := range s.Credentials {
		p("  credential %d: %s", i, credentialInWords(s, &s.Credentials[i]))
	}
	for i := range s.Drills {
		d := &s.Drills[i]
		p("  the calendar drills %d of account %d when it opens at %s for %s", d.Limit, d.Account, d.Window.Opens, d.Window.For)
	}
	if s.Hook != nil {
		p("  hook %s tells consumers of new keys, %s after they are in place", s.Hook.Name, s.Hook.Debounce)
	}
	p("  faults of calls: %s", oddsInWords(s.Odds))
	p("\nWhat people and chance did:")
	if len(s.Incidents) == 0 {
		p("  nothing")
	}
	for _, i := range s.InOrder() {
		p("  %s", i)
	}
	told := f.Story[max(0, len(f.Story)-lines):]
	if left := len(f.Story) - len(told); left > 0 {
		p("\nWhat happened, without the first %d lines:", left)
	} else {
		p("\nWhat happened:")
	}
	for _, l := range told {
		p("  %s", l)
	}
	p("Then: %s", f.Breach)
}

func round(d time.Duration) time.Duration { return d.Round(time.Minute) }

func daemons(n int) string {
	if n > 1 {
		return fmt.Sprintf("%d replicas on one journal", n)
	}
	return "one daemon"
}

func accountInWords(a *world.Account) string {
	words := []string{fmt.Sprintf("%s (%s)", a.Name, strings.ReplaceAll(string(a.System), "_", " "))}
	for _, late := range []struct {
		by   time.Duration
		what string
	}{{a.RefusedFor, "new keys work"}, {a.ListedAfter, "new keys are listed"}, {a.RevokedFor, "revoked keys are refused"}, {a.UsedLag, "last uses show"}} {
		if late.by > 0 {
			words = append(words, fmt.Sprintf("%s %s late", late.what, late.by.Round(time.Second)))
		}
	}
	if a.MaxKeys > 0 {
		words = append(words, fmt.Sprintf("at most %d keys of a credential", a.MaxKeys))
	}
	return strings.Join(words, ", ")
}

func policyInWords(p *world.Policy) string {
	words := fmt.Sprintf("%s for %s: max_age %s, renew_before %s, grace %s, idle %s, soak %s, sinks %s", p.Name, strings.Join(p.Match.Providers, ", "),
		round(p.MaxAge), round(p.RenewBefore), round(p.Grace), round(p.Idle), round(p.Soak), strings.Join(p.Sinks, ", "))
	if len(p.RequiredHooks) > 0 {
		words += ", requires hooks " + strings.Join(p.RequiredHooks, ", ")
	}
	if p.Plain != nil {
		words += fmt.Sprintf(", window from %d:00 for %d hours", p.Plain.From, p.Plain.Hours)
	}
	return words
}

func credentialInWords(s *world.Scenario, c *world.Credential) string {
	words := fmt.Sprintf("%s of user %s at %s, %s old", c.Base, c.User, s.Accounts[c.Account].Name, round(c.Age))
	for i, k := range c.Consumers {
		words += fmt.Sprintf("; consumer %d calls every %s, reads %s every %s", i, round(k.Every), s.Sinks[k.Sink].Name, round(k.Cache))
	}
	return words
}

func oddsInWords(odds map[world.Fault]float64) string {
	if len(odds) == 0 {
		return "none"
	}
	names := slices.SortedFunc(maps.Keys(odds), func(a, b world.Fault) int {
		return cmp.Or(cmp.Compare(odds[b], odds[a]), strings.Compare(string(a), string(b)))
	})
	words := make([]string, len(names))
	for i, f := range names {
		words[i] = fmt.Sprintf("%s %.1f%%", strings.ReplaceAll(string(f), "_", " "), odds[f]*100)
	}
	return strings.Join(words, ", ")
}
