package app

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rotatord/rotatord/config"
	"github.com/rotatord/rotatord/notify/mail/mailtest"
	"github.com/rotatord/rotatord/rotator"
)

// tells is a configuration that tells of everything at once, by way of the server.
func tells(s *mailtest.Server, more string) string {
	return usual + fmt.Sprintf(`
notifications:
  gather: 0s
  mail: {server: "%s", ca_file: %s, from: keys@example.com, recipients: ["*@example.com"], subject_prefix: "[keys]"%s}
`, s.Addr(), s.CAFile, more)
}

// told waits for so many messages. A reload looks at the outbox at once, in place of at the next tick.
func (r *running) told(s *mailtest.Server, wanted int) []mailtest.Mail {
	r.t.Helper()
	await(r.t, fmt.Sprintf("%d messages", wanted), func() error {
		if err := r.Reload(r.t.Context()); err != nil {
			return err
		}
		got := len(s.Accepted())
		return want(got >= wanted, "there are %d", got)
	})
	return s.Accepted()
}

func texts(mails []mailtest.Mail) string {
	var all strings.Builder
	for _, m := range mails {
		fmt.Fprintf(&all, "%s\n%s\n", m.To, m.Raw)
	}
	return all.String()
}

// rotated waits until nothing is in motion and the key is replaced.
func (r *running) rotated() {
	r.t.Helper()
	await(r.t, "the rotation to end", func() error {
		ended, err := r.Store().Rotations(r.t.Context(), true, 10)
		if err != nil {
			return err
		}
		return want(len(ended) == 1 && ended[0].Stage == rotator.StageDone, "ended: %d", len(ended))
	})
}

// TestContactsAreTold takes a notice all the way: from the provider's contact, over the journal, to a mail server.
func TestContactsAreTold(t *testing.T) {
	s := mailtest.New(t, func(s *mailtest.Server) { s.Auth = true })
	w := newWorld(t)
	w.write("mail.password", mailtest.Password+"\n")
	w.configure(tells(s, ", username: "+mailtest.Username+", password_file: DIR/mail.password"))
	w.user("ci", "deploy", 40*24*time.Hour)
	r := w.run()
	r.rotated()
	var all string
	await(t, "both notices", func() error {
		all = texts(r.told(s, 1))
		return want(strings.Contains(all, "THE KEY WAS REPLACED") && strings.Contains(all, "THE OLD KEY WAS REVOKED"), "%s", all)
	})
	for _, wanted := range []string{"TO:<team@example.com>", "Auto-Submitted: auto-generated", "- disk: "} {
		if !strings.Contains(all, wanted) {
			t.Errorf("no %q in\n%s", wanted, all)
		}
	}
	secret, err := os.ReadFile(w.path("keys/ci"))
	if err != nil || len(secret) == 0 {
		t.Fatalf("the key was not delivered: %v", err)
	}
	if strings.Contains(all, strings.TrimSpace(string(secret))) {
		t.Error("a message holds the key")
	}
	await(t, "the outbox to be empty", func() error {
		return want(r.metric("rotatord_notices_pending") == 0, "it is not")
	})
	if got := r.metric(`rotatord_notices_sent_total{result="sent"}`); got != 2 {
		t.Errorf("%v notices are counted as sent", got)
	}
}

// TestUndeliveredIsSeenAndDeliveredLater: over an outage and a restart.
func TestUndeliveredIsSeenAndDeliveredLater(t *testing.T) {
	down := mailtest.New(t, func(s *mailtest.Server) { s.Refuse["greeting"] = "421 out of order" })
	up := mailtest.New(t, nil)
	w := newWorld(t)
	w.configure(tells(down, ""))
	w.user("ci", "deploy", 40*24*time.Hour)
	r := w.run()
	r.rotated()
	await(t, "a failure to be seen", func() error {
		_ = r.Reload(t.Context())
		return want(r.metric("rotatord_notices_undelivered") > 0, "there is none")
	})
	if r.metric("rotatord_notices_oldest_timestamp_seconds") < float64(time.Now().Add(-time.Hour).Unix()) {
		t.Error("the oldest notice is older than the rotation")
	}
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	w.configure(tells(up, ""))
	r = w.run()
	if r.metric("rotatord_notices_pending") != 2 {
		t.Errorf("%v notices are there after the restart, want 2", r.metric("rotatord_notices_pending"))
	}
	if err := r.store.NoticesFailed(t.Context(), r.waiting(), "brought forward by the test", time.Now()); err != nil {
		t.Fatal(err)
	}
	r.told(up, 1)
}

// waiting are the ids of all notices in the outbox.
func (r *running) waiting() []string {
	r.t.Helper()
	ns, err := r.store.DueNotices(r.t.Context(), time.Now().AddDate(1, 0, 0), 100)
	if err != nil {
		r.t.Fatal(err)
	}
	var ids []string
	for _, n := range ns {
		ids = append(ids, n.ID)
	}
	return ids
}

// TestTeamsAreTold takes notices to a webhook, beside no mail at all.
func TestTeamsAreTold(t *testing.T) {
	var told atomic.Value
	told.Store("")
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || r.Header.Get("Webhook-Signature") == "" {
			t.Errorf("a message without a signature: %v", err)
		}
		told.Store(told.Load().(string) + string(body))
	}))
	defer receiver.Close()
	w := newWorld(t)
	w.write("hook.url", receiver.URL+"/hook\n")
	w.write("hook.secret", "whsec_c2lnbmVk\n")
	w.configure(usual + `
notifications:
  gather: 0s
  webhooks:
    - {name: ops, url_file: DIR/hook.url, signing_secret_file: DIR/hook.secret, events: [revoked]}
`)
	w.user("ci", "deploy", 40*24*time.Hour)
	r := w.run()
	r.rotated()
	await(t, "the notice", func() error {
		if err := r.Reload(t.Context()); err != nil {
			return err
		}
		return want(strings.Contains(told.Load().(string), `"kind":"revoked"`), "%s", told.Load())
	})
	if strings.Contains(told.Load().(string), `"kind":"replaced"`) {
		t.Error("told of what it does not want to know")
	}
	await(t, "the outbox to be empty", func() error {
		return want(r.metric("rotatord_notices_pending") == 0, "it is not")
	})
}

// TestNobodyIsToldByDefault: nothing is even written down.
func TestNobodyIsToldByDefault(t *testing.T) {
	w := newWorld(t)
	w.user("ci", "deploy", 40*24*time.Hour)
	r := w.run()
	r.rotated()
	if got := r.metric("rotatord_notices_pending"); got != 0 {
		t.Errorf("%v notices", got)
	}
}

// TestABadMailSectionChangesNothing: it is found before anything is put in force.
func TestABadMailSectionChangesNothing(t *testing.T) {
	s := mailtest.New(t, nil)
	w := newWorld(t)
	w.configure(tells(s, ""))
	r := w.run()
	before := r.dispatcher
	w.configure(strings.Replace(tells(s, ""), "ca_file: "+s.CAFile, "ca_file: DIR/none.pem", 1))
	if err := r.Reload(t.Context()); err == nil || !strings.Contains(err.Error(), "notifications.mail: ca_file") {
		t.Errorf("%v", err)
	}
	if r.dispatcher != before || r.config.Load().Notifications.Mail.CAFile != s.CAFile {
		t.Error("the bad section is in force")
	}
}

func TestWhatIsWrittenDownFollowsTheConfiguration(t *testing.T) {
	n := notices(&config.Notifications{Events: []string{"revoked"}, Mail: &config.Mail{Recipients: []string{"*@example.com"}, Fallback: "team@example.net"}})
	if len(n.Kinds) != 1 || n.Kinds[0] != rotator.NoticeRevoked {
		t.Errorf("kinds %v", n.Kinds)
	}
	if got := n.Recipient("ann@example.com") + ", " + n.Recipient("eve@example.org"); got != "ann@example.com, team@example.net" {
		t.Errorf("told: %s", got)
	}
	if off := notices(nil); off.Recipient != nil || len(off.Kinds) > 0 {
		t.Errorf("without a section: %+v", off)
	}
}
