package web

import (
	"fmt"
	"strings"
	"time"
	"unicode"
)

// leftOutWords say why a key was left out, and what to ask about it.
var leftOutWords = map[string]string{
	"unmanaged": "matches, and no policy selects it: replace it by hand, or put it under a policy",
	"inactive":  "matches, and is switched off, not listed any more, or in a state that nobody knows: see that it is revoked",
	"same_user": "another credential of its service user leaked: was it kept in the same place?",
	"similar":   "nearly matches: was it meant?",
}

// LeftOutWords says why a key was left out of an incident, and what to ask about it.
func LeftOutWords(why string) string { return leftOutWords[why] }

// Markdown is the incident for a report: the completeness list, what was left out, and the timeline.
func (i *Incident) Markdown() string {
	var out strings.Builder
	put := func(format string, args ...any) {
		for n, a := range args {
			if text, ok := a.(string); ok {
				args[n] = cell(text)
			}
		}
		fmt.Fprintf(&out, format+"\n", args...)
	}
	put("# Incident %s\n", i.ID)
	put("- Reported: %s by %s", i.At.UTC().Format(time.RFC3339), i.By)
	put("- About: `%s`, %d credentials", i.Pattern(), len(i.Credentials))
	if i.Note != "" {
		put("- Note: %s", i.Note)
	}
	put("- As of: %s, %d of %d confirmed\n", i.Now.UTC().Format(time.RFC3339), i.Standings["confirmed"], len(i.Credentials))
	i.completeness(put)
	i.leftOut(put)
	put("\n## Timeline (UTC)\n\n| time | credential | stage | what happened |\n|---|---|---|---|")
	for _, h := range i.Timeline {
		about := "-"
		if h.Credential != nil {
			about = h.Credential.String()
		}
		put("| %s | %s | %s | %s |", h.At.UTC().Format("2006-01-02 15:04:05"), about, orDash(h.Stage), h.What)
	}
	return out.String()
}

func (i *Incident) completeness(put func(string, ...any)) {
	put("## Completeness\n\n| credential | standing | old keys | what is in the way |\n|---|---|---|---|")
	for n := range i.Credentials {
		c := &i.Credentials[n]
		var keys []string
		for _, k := range c.OldKeys {
			keys = append(keys, fmt.Sprintf("%s (%s): %s", k.Name, k.ID, k.State))
		}
		put("| %s | %s | %s | %s |", c.CredentialName.String(), strings.ReplaceAll(c.Standing, "_", " "), strings.Join(keys, "; "), orDash(c.Why))
	}
}

func (i *Incident) leftOut(put func(string, ...any)) {
	put("\n## Left out\n")
	if len(i.LeftOut) == 0 {
		put("Nothing that is near was left out.")
	} else {
		put("| credential | key | last used | why |\n|---|---|---|---|")
	}
	for _, k := range i.LeftOut {
		used := "never, or not reported"
		if !k.LastUsed.IsZero() {
			used = k.LastUsed.UTC().Format(time.RFC3339)
		}
		put("| %s | %s (%s) | %s | %s |", k.CredentialName.String(), k.Key.Name, k.Key.ID, used, leftOutWords[k.Why])
	}
	if i.MoreLeftOut > 0 {
		put("\nAnd %d more.", i.MoreLeftOut)
	}
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

// cell makes text fit for a cell of a Markdown table.
func cell(text string) string {
	text = strings.NewReplacer("|", `\|`, "`", "'", "<", "&lt;", "\n", " ").Replace(text)
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, text)
}
