package webhook

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/rotatord/rotatord/notify"
	"github.com/rotatord/rotatord/rotator"
)

// eventType names what is in an event's data; it changes when that does in a way that readers would not understand.
const eventType = "io.github.rotatord.notices.v1"

// Event is https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md
type Event struct {
	SpecVersion string    `json:"specversion"`
	ID          string    `json:"id"`
	Source      string    `json:"source"`
	Type        string    `json:"type"`
	Subject     string    `json:"subject,omitempty"`
	Time        time.Time `json:"time"`
	ContentType string    `json:"datacontenttype"`
	Data        any       `json:"data"`
}

// NewEvent makes an event without a subject and data.
func NewEvent(kind, id string, at time.Time) Event {
	return Event{SpecVersion: "1.0", ID: id, Source: "rotatord", Type: kind, Time: at, ContentType: asJSON}
}

const (
	asJSON  = "application/json"
	asEvent = "application/cloudevents+json"
)

type data struct {
	Notices []told `json:"notices"`
}

// told is a notice as receivers see it: with its headline, and without what is only for its delivery.
type told struct {
	rotator.Notice
	Headline string `json:"headline"`
	// AsksForAction says that the rotation stands still until somebody does something.
	AsksForAction bool `json:"asks_for_action"`
}

// compose returns the body and its content type.
func (s *Sender) compose(m notify.Message) ([]byte, string, error) {
	switch s.o.Format {
	case CloudEvents:
		body, err := json.Marshal(eventOf(m))
		return body, asEvent, err
	case Slack:
		body, err := json.Marshal(map[string]string{"text": strings.Join(lines(m, slackText), "\n")})
		return body, asJSON, err
	case Teams:
		body, err := json.Marshal(card(m))
		return body, asJSON, err
	default:
		return nil, "", fmt.Errorf("format %q is not known", s.o.Format)
	}
}

// eventOf makes an event that is the same each time the message is sent.
func eventOf(m notify.Message) Event {
	e := NewEvent(eventType, m.ID, m.Notices[0].At)
	if len(m.Notices) == 1 {
		e.Subject = m.Notices[0].CredentialID.String()
	}
	var all data
	for _, n := range m.Notices {
		out := told{Notice: n, Headline: notify.Headline(n), AsksForAction: n.Kind.AsksForAction()}
		out.To, out.Message, out.Attempt, out.Trouble = "", "", 0, ""
		all.Notices = append(all.Notices, out)
	}
	e.Data = all
	return e
}

// maxText is how much of an explanation a chat is shown.
const maxText = 600

// lines tells the notices in a paragraph each, with what came from outside made harmless.
func lines(m notify.Message, harmless func(string) string) []string {
	all := make([]string, 0, len(m.Notices))
	for _, n := range m.Notices {
		user := n.ServiceUser
		if user == "" {
			user = n.UserID
		}
		text := fmt.Sprintf("%s: %s/%s: %s", harmless(n.Provider), harmless(user), harmless(n.Base), notify.Headline(n))
		if n.Kind.AsksForAction() {
			text = "ACTION NEEDED: " + text
			if !n.Deadline.IsZero() {
				text += " before " + n.Deadline.UTC().Format("2 January 2006, 15:04 UTC")
			}
		}
		if n.Kind.AsksForAction() || n.Kind == rotator.NoticeAbandoned {
			text += ". " + harmless(n.Why)
		}
		all = append(all, text+" (rotation "+n.Rotation+")")
	}
	return all
}

// oneLine makes one line of a text, of at most maxText characters.
func oneLine(text string) string {
	text = strings.Join(strings.FieldsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }), " ")
	if runes := []rune(text); len(runes) > maxText {
		return string(runes[:maxText-1]) + "…"
	}
	return text
}

// slackText escapes what Slack takes for a link or a mention: https://docs.slack.dev/messaging/formatting-message-text
func slackText(text string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(oneLine(text))
}

// teamsText keeps Markdown's signs from meaning anything: text blocks of an adaptive card know a part of it.
func teamsText(text string) string {
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "_", `\_`, "[", `\[`, "]", `\]`, "`", "\\`", "#", `\#`).Replace(oneLine(text))
}

// card is a message with one adaptive card: https://learn.microsoft.com/en-us/microsoftteams/platform/webhooks-and-connectors/how-to/add-incoming-webhook
func card(m notify.Message) any {
	type block struct {
		Type   string `json:"type"`
		Text   string `json:"text"`
		Wrap   bool   `json:"wrap"`
		Weight string `json:"weight,omitempty"`
	}
	blocks := []block{{Type: "TextBlock", Text: "rotatord", Wrap: true, Weight: "Bolder"}}
	for _, l := range lines(m, teamsText) {
		blocks = append(blocks, block{Type: "TextBlock", Text: l, Wrap: true})
	}
	return map[string]any{"type": "message", "attachments": []any{map[string]any{
		"contentType": "application/vnd.microsoft.card.adaptive",
		"content":     map[string]any{"$schema": "http://adaptivecards.io/schemas/adaptive-card.json", "type": "AdaptiveCard", "version": "1.4", "body": blocks},
	}}}
}
