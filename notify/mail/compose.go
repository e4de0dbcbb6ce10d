package mail

import (
	"bytes"
	_ "embed" // the template
	"fmt"
	"strings"
	"text/template"
	"time"
	"unicode"

	gomail "github.com/wneessen/go-mail"

	"github.com/rotatord/rotatord/notify"
	"github.com/rotatord/rotatord/rotator"
)

//go:embed message.tmpl
var messageText string

var body = template.Must(template.New("message").Funcs(template.FuncMap{
	"date": date, "key": keyName, "inc": func(i int) int { return i + 1 }, "after": func(a, b time.Time) bool { return a.After(b) },
}).Parse(messageText))

// page is what the template sees.
type page struct {
	Notices   []rotator.Notice
	Fallback  bool   // it does not go to the one that the provider names,
	Contact   string // who is this, if anybody
	Questions string
}

// compose makes the message. The Date is when it is sent; all else depends on the notices alone.
func (s *Sender) compose(m notify.Message, now time.Time) (*gomail.Msg, error) {
	msg := gomail.NewMsg(gomail.WithNoDefaultUserAgent(), gomail.WithEncoding(gomail.EncodingQP))
	msg.FromMailAddress(s.from)
	if err := notify.CheckAddress(m.To); err != nil {
		return nil, rotator.NewFault("address a message", rotator.Invalid, "%w", err)
	}
	if err := msg.To(m.To); err != nil {
		return nil, rotator.NewFault("address a message", rotator.Invalid, "%w", err)
	}
	if len(s.o.CC) > 0 {
		if err := msg.Cc(s.o.CC...); err != nil {
			return nil, rotator.NewFault("address a message", rotator.Invalid, "cc: %w", err)
		}
	}
	if s.o.ReplyTo != "" {
		if err := msg.ReplyTo(s.o.ReplyTo); err != nil {
			return nil, rotator.NewFault("address a message", rotator.Invalid, "reply_to: %w", err)
		}
	}
	notices := harmless(m.Notices)
	msg.Subject(subject(s.o.SubjectPrefix, notices))
	msg.SetDateWithValue(now)
	msg.SetMessageIDWithValue(messageID(m.ID, s.domain))
	msg.SetGenHeader("Auto-Submitted", "auto-generated")
	msg.SetGenHeader(gomail.HeaderXAutoResponseSuppress, "All")
	text, err := s.text(m.To, notices)
	if err != nil {
		return nil, err
	}
	msg.SetBodyString(gomail.TypeTextPlain, text)
	return msg, nil
}

func (s *Sender) text(to string, notices []rotator.Notice) (string, error) {
	p := page{Notices: notices, Questions: line(s.o.Questions, maxName)}
	for _, n := range notices {
		if !strings.EqualFold(n.Contact, to) {
			p.Fallback, p.Contact = true, n.Contact
		}
	}
	var b bytes.Buffer
	if err := body.Execute(&b, p); err != nil {
		return "", rotator.NewFault("write a message", rotator.Invalid, "%w", err)
	}
	return b.String(), nil
}

// messageID is a notice's ID as the left part of a Message-ID (RFC 5322, section 3.6.4), where no slash and nothing that a
// person chose may stand.
func messageID(id, domain string) string {
	left := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-':
			return r
		default:
			return '.'
		}
	}, id)
	return left + "@" + domain
}

func subject(prefix string, notices []rotator.Notice) string {
	text := fmt.Sprintf("news of %d keys", len(notices))
	if len(notices) == 1 {
		n := notices[0]
		text = userOf(n) + "/" + n.Base + ": " + notify.Headline(n)
	}
	for _, n := range notices {
		if n.Kind.AsksForAction() {
			text = "action needed: " + text
			break
		}
	}
	return strings.TrimSpace(prefix + " " + text)
}

func userOf(n rotator.Notice) string {
	if n.ServiceUser != "" {
		return n.ServiceUser
	}
	return n.UserID
}

// Names longer than maxName, and explanations longer than maxWhy, are cut: no provider promises an end to either.
const (
	maxName = 200
	maxWhy  = 2000
)

// harmless returns the notices with nothing in them that could pass for a line of the message, let alone for a header:
// names were chosen by people, at systems that take any text.
func harmless(notices []rotator.Notice) []rotator.Notice {
	clean := make([]rotator.Notice, 0, len(notices))
	for _, n := range notices {
		for _, text := range []*string{&n.Provider, &n.UserID, &n.Base, &n.ServiceUser, &n.Contact,
			&n.OldKey.ID, &n.OldKey.Name, &n.NewKey.ID, &n.NewKey.Name} {
			*text = line(*text, maxName)
		}
		n.ServiceUser = userOf(n)
		n.Why = line(n.Why, maxWhy)
		places := make([]string, 0, len(n.Places))
		for _, p := range n.Places {
			places = append(places, line(p, maxWhy))
		}
		n.Places = places
		clean = append(clean, n)
	}
	return clean
}

// line makes one line of a text, without control and invisible characters, of at most so many characters.
func line(text string, most int) string {
	text = strings.Join(strings.Fields(strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r), unicode.IsControl(r):
			return ' '
		case !unicode.IsPrint(r):
			return -1
		default:
			return r
		}
	}, strings.ToValidUTF8(text, "\uFFFD"))), " ")
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most-1]) + "…"
	}
	return text
}

func date(t time.Time) string { return t.UTC().Format("Monday, 2 January 2006, 15:04 UTC") }

// keyName is a key's name and the provider's id for it, as far as they are known.
func keyName(k rotator.KeyRef) string {
	switch {
	case k.ID == "":
		return k.Name
	case k.Name == "" || k.Name == k.ID:
		return "id " + k.ID
	default:
		return k.Name + " (id " + k.ID + ")"
	}
}
