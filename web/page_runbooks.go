package web

import (
	"fmt"
	"html"
	"html/template"
	"net/http"
	"path"
	"regexp"
	"strings"
	"sync"

	"github.com/rotatord/rotatord/docs"
	"github.com/rotatord/rotatord/rotator"
)

const pathRunbooks = "/runbooks"

// runbooks is what to do about each reason, with an anchor for each. After the section that is to be read first it lists the pages about
// alerts.
var runbooks = sync.OnceValue(func() template.HTML {
	title, rest, _ := strings.Cut(docs.Operations, "\n## ")
	first, others, _ := strings.Cut(rest, "\n## ")
	var list strings.Builder
	for _, alert := range docs.Alerts() {
		fmt.Fprintf(&list, "- [%s](runbooks/%s.md)\n", alert, alert)
	}
	return readable(strings.Join([]string{title, first, "Alerts\n\n" + list.String(), others}, "\n## "))
})

func (s *Server) showRunbooks(w http.ResponseWriter, r *http.Request) {
	s.show(w, runbooksPage, http.StatusOK, struct {
		frame
		Text template.HTML
	}{s.frame(r, "Runbooks"), runbooks()})
}

// showRunbook shows what an alert means and what to do about it. The name may end as its file does, so that the base of the
// rules' addresses is all that has to be changed to lead here.
func (s *Server) showRunbook(w http.ResponseWriter, r *http.Request) {
	alert := strings.TrimSuffix(r.PathValue("alert"), ".md")
	text, ok := docs.Runbook(alert)
	if !ok {
		s.notFound(w, r, "There is no runbook of that name. All of them are listed on the page Runbooks.")
		return
	}
	s.show(w, runbooksPage, http.StatusOK, struct {
		frame
		Text template.HTML
	}{s.frame(r, alert), readable(text)})
}

// alertOf is the alert that fires for a reason, whose runbook says what to do about it at night.
var alertOf = map[string]string{
	reasonBreaker: "RotatordBreakerOpen", reasonScanFailed: "RotatordScanStale", reasonJournal: "RotatordJournalFailing",
	rotator.ComplaintTrouble: "RotatordServiceUserTrouble", rotator.ComplaintDrift: "RotatordServiceUserTrouble",
	string(rotator.BlockAwaitingSupply): "RotatordAwaitingSupply", string(rotator.BlockAwaitingRemoval): "RotatordAwaitingRemoval",
	string(rotator.BlockObserveOnly): "RotatordObservedKeyDue", string(rotator.BlockRotationFailed): "RotatordRotationFailed",
	string(rotator.BlockClockSkew): "RotatordClockSkew", string(rotator.BlockOwnKey): "RotatordRevocationBlocked",
	string(rotator.BlockAwaitingApproval): "RotatordAwaitingApproval", string(rotator.BlockAtKeyCap): "RotatordAtKeyCap",
	string(rotator.BlockNameInvalid): "RotatordBlockedByConfiguration", string(rotator.BlockLocationTaken): "RotatordBlockedByConfiguration",
	string(rotator.BlockSinkConflict): "RotatordBlockedByConfiguration", string(rotator.BlockSinkUnknown): "RotatordBlockedByConfiguration",
	string(rotator.BlockInvalid): "RotatordBlockedByConfiguration", string(rotator.BlockHeld): "RotatordHoldTooLong", string(rotator.BlockFrozen): "RotatordFreezeTooLong",
	string(rotator.BlockOldKeyInUse): "RotatordOldKeyInUse", string(rotator.BlockOldKeyUnclear): "RotatordRevocationBlocked",
	string(rotator.BlockLastKey): "RotatordConsumerAtRisk", string(rotator.BlockNewKeyRefused): "RotatordConsumerAtRisk",
	string(rotator.BlockSinkMismatch): "RotatordConsumerAtRisk", string(rotator.BlockDenied): "RotatordCredentialRefused",
	reasonLeak: "RotatordLeakNotConfirmed", reasonVerified + string(rotator.VerifiedDiffers): "RotatordVerificationFailed",
	reasonVerified + string(rotator.VerifiedRefused): "RotatordVerificationFailed", reasonVerified + string(rotator.VerifiedUnreachable): "RotatordVerificationFailed",
	string(rotator.BlockSealUnreadable): "RotatordSealUnreadable", string(rotator.BlockHookFailing): "RotatordHookFailing",
}

// runbookLink leads to the runbook of the alert that fires for a reason. A reason without an alert has its explanation.
func runbookLink(reason string) string {
	if alert, ok := alertOf[reason]; ok {
		return pathRunbooks + "/" + alert
	}
	return explainedAt(reason)
}

// explainedAt leads to what a reason means.
func explainedAt(reason string) string { return pathRunbooks + "#" + anchorOf(reason) }

// readable makes HTML of the Markdown that the project's own pages are written in: headings, paragraphs, lists, code, and within
// lines code, strong and emphasised words and links. It is not for texts of others.
func readable(text string) template.HTML {
	var out strings.Builder
	lines := strings.Split(text, "\n")
	for i := 0; i < len(lines); {
		kind := kindOf(lines[i])
		from := i
		for i++; i < len(lines) && goesOn(kind, lines[i]); i++ {
		}
		if kind == "pre" && i < len(lines) {
			i++ // the fence that ends it
		}
		out.WriteString(block(kind, lines[from:min(i, len(lines))]))
	}
	return template.HTML(out.String()) //nolint:gosec // of a text that is part of the program
}

// kindOf tells from its first line what a block is.
func kindOf(line string) string {
	switch {
	case strings.TrimSpace(line) == "":
		return ""
	case strings.HasPrefix(line, "#"):
		return "h"
	case strings.HasPrefix(line, "```"):
		return "pre"
	case strings.HasPrefix(line, "- "):
		return "ul"
	case numbered.MatchString(line):
		return "ol"
	default:
		return "p"
	}
}

// goesOn reports whether a line belongs to the block before it.
func goesOn(kind, line string) bool {
	switch kind {
	case "", "h":
		return false
	case "pre":
		return !strings.HasPrefix(line, "```")
	case "p":
		return kindOf(line) == "p"
	default:
		return strings.HasPrefix(line, "  ") || kindOf(line) == kind
	}
}

func block(kind string, lines []string) string {
	switch kind {
	case "":
		return ""
	case "h":
		level := len(lines[0]) - len(strings.TrimLeft(lines[0], "#"))
		words := strings.TrimSpace(lines[0][level:])
		return fmt.Sprintf("<h%d id=\"%s\">%s</h%d>\n", level, html.EscapeString(anchorOf(words)), inline(words), level)
	case "pre":
		body := strings.TrimSuffix(strings.TrimSuffix(strings.Join(lines[1:], "\n"), "```"), "\n")
		return "<pre>" + html.EscapeString(body) + "</pre>\n"
	case "p":
		return "<p>" + inline(strings.Join(lines, " ")) + "</p>\n"
	default:
		return list(kind, lines)
	}
}

var (
	numbered = regexp.MustCompile(`^[0-9]+\. `)
	bullet   = regexp.MustCompile(`^(- |[0-9]+\. )`)
	inCode   = regexp.MustCompile("`([^`]+)`")
	inLink   = regexp.MustCompile(`\[([^\]]+)\]\(([^)]+)\)`)
	inStrong = regexp.MustCompile(`\*\*([^*]+)\*\*`)
	inEm     = regexp.MustCompile(`\*([^*]+)\*`)
)

func list(kind string, lines []string) string {
	var items []string
	for _, line := range lines {
		if bullet.MatchString(line) {
			items = append(items, bullet.ReplaceAllString(line, ""))
		} else {
			items[len(items)-1] += " " + strings.TrimSpace(line)
		}
	}
	var out strings.Builder
	for _, item := range items {
		out.WriteString("<li>" + inline(item) + "</li>\n")
	}
	return "<" + kind + ">\n" + out.String() + "</" + kind + ">\n"
}

// inline makes HTML of what stands within a line. Code is left as it is, whatever it holds.
func inline(text string) string {
	var out strings.Builder
	rest := 0
	for _, at := range inCode.FindAllStringSubmatchIndex(text, -1) {
		out.WriteString(styled(text[rest:at[0]]) + "<code>" + html.EscapeString(text[at[2]:at[3]]) + "</code>")
		rest = at[1]
	}
	return out.String() + styled(text[rest:])
}

func styled(text string) string {
	text = html.EscapeString(text)
	text = inLink.ReplaceAllStringFunc(text, func(link string) string {
		parts := inLink.FindStringSubmatch(link)
		if to := served(parts[2]); to != "" {
			return `<a href="` + to + `">` + parts[1] + "</a>"
		}
		return parts[1] // another page of the documentation, which the daemon does not hold
	})
	text = inStrong.ReplaceAllString(text, "<strong>$1</strong>")
	return inEm.ReplaceAllString(text, "<em>$1</em>")
}

// served is where the daemon has what a link of the documentation leads to; empty for nowhere.
func served(target string) string {
	file, anchor, _ := strings.Cut(target, "#")
	alert := strings.TrimSuffix(path.Base(file), ".md")
	switch _, known := docs.Runbook(alert); {
	case strings.HasPrefix(target, "#"), strings.HasPrefix(target, "https://"):
		return target
	case path.Base(file) == "operations.md":
		return pathRunbooks + "#" + anchor
	case known:
		return pathRunbooks + "/" + alert
	default:
		return ""
	}
}

// anchorOf is a heading's id: its words as they stand in an address.
func anchorOf(words string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(words) {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '_', r == '-':
			b.WriteRune(r)
		case r == ' ':
			b.WriteRune('-')
		}
	}
	return b.String()
}
