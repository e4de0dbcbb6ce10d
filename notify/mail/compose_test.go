package mail

import (
	"bytes"
	"flag"
	netmail "net/mail"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rotatord/rotatord/notify"
	"github.com/rotatord/rotatord/rotator"
)

var update = flag.Bool("update", false, "write the golden files")

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// notice is one with everything that its kind can have.
func notice(kind rotator.NoticeKind) rotator.Notice {
	return rotator.Notice{
		ID: "20261122-k3v9x2m7qd/8", At: noon, Kind: kind, To: "ann@example.com", Contact: "ann@example.com",
		CredentialID: rotator.CredentialID{Provider: "digicert-one", UserID: "8d1f", Base: "deploy"}, ServiceUser: "ci-build",
		Rotation: "20261122-k3v9x2m7qd", Reason: rotator.ReasonExpiring,
		OldKey: rotator.KeyRef{ID: "4711", Name: "deploy-r0001"}, NewKey: rotator.KeyRef{ID: "4712", Name: "deploy-r0002"},
		Places:     []string{"vault: secret/data/digicert-one/ci-build", "disk: /var/lib/keys/digicert-one/ci-build.json"},
		GraceUntil: noon.AddDate(0, 0, 7), NewKeyExpires: noon.AddDate(0, 0, 90), Deadline: noon.AddDate(0, 0, 28),
		Why: "what the daemon says about it",
	}
}

func sender(t *testing.T, change func(*Options)) *Sender {
	t.Helper()
	o := Options{Host: "mail.example.com", Port: 587, TLS: STARTTLS, From: "rotatord <rotatord@example.com>",
		SubjectPrefix: "[keys]", Questions: "the platform team, platform@example.com, extension 4242"}
	if change != nil {
		change(&o)
	}
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func message(notices ...rotator.Notice) notify.Message {
	return notify.Message{ID: notices[0].ID, To: "ann@example.com", Notices: notices}
}

// rendered is the message as it travels, with its body decoded.
func rendered(t *testing.T, s *Sender, m notify.Message) (*netmail.Message, string) {
	t.Helper()
	msg, err := s.compose(m, noon)
	if err != nil {
		t.Fatal(err)
	}
	var wire bytes.Buffer
	if _, err := msg.WriteTo(&wire); err != nil {
		t.Fatal(err)
	}
	return parsed(t, wire.Bytes())
}

func TestEveryKindReadsWell(t *testing.T) {
	s := sender(t, nil)
	for _, kind := range rotator.NoticeKinds() {
		t.Run(string(kind), func(t *testing.T) {
			golden(t, string(kind), s, message(notice(kind)))
		})
	}
	second := notice(rotator.NoticeAwaitingRemoval)
	second.ID, second.Base = "20261122-aaaaaaaaaa/3", "sign"
	again := notice(rotator.NoticeAwaitingSupply)
	again.Since, again.Reminder = again.At.Add(-72*time.Hour), 2
	golden(t, "reminder", s, message(again))
	golden(t, "several", s, message(notice(rotator.NoticeRevoked), second))
}

func golden(t *testing.T, name string, s *Sender, m notify.Message) {
	t.Helper()
	head, text := rendered(t, s, m)
	got := "From: " + head.Header.Get("From") + "\nTo: " + head.Header.Get("To") + "\nSubject: " + decodedHeader(t, head, "Subject") +
		"\nMessage-ID: " + head.Header.Get("Message-ID") + "\nAuto-Submitted: " + head.Header.Get("Auto-Submitted") + "\n\n" + text
	path := filepath.Join("testdata", name+".txt")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("the message (-want +got; go test -update writes it):\n%s", diff)
	}
}

// TestExampleOfTheDocumentation is the message that the page shows.
func TestExampleOfTheDocumentation(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "notifications.md"))
	if err != nil {
		t.Fatal(err)
	}
	example, err := os.ReadFile(filepath.Join("testdata", "replaced.txt"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(page), "```text\n"+string(bytes.TrimSpace(example))+"\n```") {
		t.Error("docs/notifications.md shows another message than testdata/replaced.txt")
	}
	for _, kind := range rotator.NoticeKinds() {
		if !strings.Contains(string(page), "| `"+string(kind)+"` |") {
			t.Errorf("docs/notifications.md does not say when %s is told", kind)
		}
	}
}

// TestNamesCannotForge holds that nothing that a person typed at a provider becomes a header, a line or a recipient.
func TestNamesCannotForge(t *testing.T) {
	n := notice(rotator.NoticeReplaced)
	evil := "x\r\nBcc: eve@example.net\r\n\r\nforged \u202egnp\x00\x1b[31m"
	for _, field := range []*string{&n.Provider, &n.UserID, &n.Base, &n.ServiceUser, &n.Contact, &n.OldKey.ID, &n.OldKey.Name,
		&n.NewKey.ID, &n.NewKey.Name, &n.Places[0], &n.Why, &n.ID} {
		*field += evil
	}
	head, text := rendered(t, sender(t, nil), message(n))
	for _, name := range []string{"Bcc", "Cc"} {
		if got := head.Header.Get(name); got != "" {
			t.Errorf("the header %s: %s", name, got)
		}
	}
	for _, l := range strings.Split(text, "\n") {
		if strings.HasPrefix(l, "Bcc:") || strings.HasPrefix(l, "forged") || strings.ContainsAny(l, "\r\x00\x1b\u202e") {
			t.Errorf("a line of its own, or an invisible character: %q", l)
		}
	}
	if got := head.Header.Get("Message-ID"); strings.Count(got, "@") != 1 || strings.ContainsAny(got, " \r\n:") {
		t.Errorf("the message id is %q", got)
	}
	for _, to := range []string{"ann@example.com\r\nBcc: eve@example.net", "ann@example.com, eve@example.net", "", "Ann <ann@example.com>"} {
		m := message(notice(rotator.NoticeReplaced))
		m.To = to
		if _, err := sender(t, nil).compose(m, noon); err == nil {
			t.Errorf("a message goes to %q", to)
		}
	}
}

func TestLongNamesAreCut(t *testing.T) {
	n := notice(rotator.NoticeAbandoned)
	n.Base, n.Why = strings.Repeat("ü", 10_000), strings.Repeat("y", 100_000)
	_, text := rendered(t, sender(t, nil), message(n))
	if len(text) > 5_000 {
		t.Errorf("a message of %d bytes", len(text))
	}
}

// TestMessageIDDependsOnTheMessageAlone: whoever gets the message twice can tell.
func TestMessageIDDependsOnTheMessageAlone(t *testing.T) {
	n := notice(rotator.NoticeReplaced)
	first, _ := rendered(t, sender(t, nil), message(n))
	n.Attempt, n.Trouble = 3, "450 later"
	again, _ := rendered(t, sender(t, func(o *Options) { o.SubjectPrefix, o.Questions = "", "" }), message(n))
	if a, b := first.Header.Get("Message-ID"), again.Header.Get("Message-ID"); a != b || a != "<20261122-k3v9x2m7qd.8@example.com>" {
		t.Errorf("%s, then %s", a, b)
	}
	other := n
	other.ID = "20261122-k3v9x2m7qd/9"
	if third, _ := rendered(t, sender(t, nil), message(other)); third.Header.Get("Message-ID") == first.Header.Get("Message-ID") {
		t.Error("two messages have one id")
	}
}

func TestWhoGetsIt(t *testing.T) {
	s := sender(t, func(o *Options) { o.CC, o.ReplyTo = []string{"audit@example.com"}, "platform@example.com" })
	elsewhere, none := notice(rotator.NoticeReplaced), notice(rotator.NoticeReplaced)
	elsewhere.Contact, none.Contact = "bob@example.org", ""
	for _, tc := range []struct {
		name, want string
		n          rotator.Notice
	}{
		{"the contact", "you are named as the contact of this key", notice(rotator.NoticeReplaced)},
		{"in place of the contact", "for the contact of a key, bob@example.org", elsewhere},
		{"for want of a contact", "about a key without a contact", none},
	} {
		t.Run(tc.name, func(t *testing.T) {
			head, text := rendered(t, s, message(tc.n))
			if !strings.Contains(text, tc.want) {
				t.Errorf("want %q in\n%s", tc.want, text)
			}
			if head.Header.Get("Cc") != "<audit@example.com>" || head.Header.Get("Reply-To") != "<platform@example.com>" {
				t.Errorf("headers %v", head.Header)
			}
		})
	}
}

func TestNewRefuses(t *testing.T) {
	for _, tc := range []struct {
		name, want string
		change     func(*Options)
	}{
		{"a sender that is no address", "from", func(o *Options) { o.From = "rotatord" }},
		{"a password in plain text", "TLS", func(o *Options) { o.TLS, o.Username = None, "ann" }},
		{"an unknown protection", "tls", func(o *Options) { o.TLS = "ssl" }},
		{"no server", "hostname", func(o *Options) { o.Host = "" }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			o := Options{Host: "mail.example.com", Port: 25, TLS: STARTTLS, From: "a@example.com"}
			tc.change(&o)
			if _, err := New(o); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%v, want %q", err, tc.want)
			}
		})
	}
}
