package config

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rotatord/rotatord/rotator"
)

// withNotifications is base with a section for notifications behind it.
func withNotifications(section string) string { return base + "notifications:\n" + section }

const goodMail = `  mail:
    server: mail.example.com:587
    from: Keys <keys@example.com>
    recipients: ["*@example.com"]
`

func TestNotificationsAreRead(t *testing.T) {
	text := withNotifications(`  events: [replaced, awaiting_supply]
  gather: 0s
  mail:
    server: "[::1]:25"
    tls: none
    from: Keys <keys@example.com>
    reply_to: team@example.com
    cc: [audit@example.com]
    subject_prefix: "[keys]"
    recipients: ["*@example.com", bob@example.org]
    fallback: team@example.com
    questions: ask the team
    timeout: 30s
`)
	want := &Notifications{
		Events: []string{"replaced", "awaiting_supply"}, RemindAfter: Duration(24 * time.Hour),
		Mail: &Mail{
			Server: "[::1]:25", TLS: "none", From: "Keys <keys@example.com>", ReplyTo: "team@example.com", CC: []string{"audit@example.com"},
			SubjectPrefix: "[keys]", Recipients: []string{"*@example.com", "bob@example.org"}, Fallback: "team@example.com",
			Questions: "ask the team", Timeout: Duration(30 * time.Second),
		},
	}
	cfg := mustParse(t, text)
	if diff := cmp.Diff(want, cfg.Notifications); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if len(cfg.Warnings) > 0 {
		t.Errorf("warnings:\n%v", cfg.Warnings)
	}
	if err := validate(t, compiled(t), text); err != nil {
		t.Errorf("the schema: %v", err)
	}
}

// TestNotificationsAreOffByDefault: nobody is written to who was not meant to be.
func TestNotificationsAreOffByDefault(t *testing.T) {
	if n := mustParse(t, base).Notifications; n != nil {
		t.Errorf("%+v", n)
	}
}

func TestNotificationDefaults(t *testing.T) {
	text := withNotifications(goodMail)
	n := mustParse(t, text).Notifications
	var all []string
	for _, k := range rotator.NoticeKinds() {
		all = append(all, string(k))
	}
	if diff := cmp.Diff(all, n.Events); diff != "" {
		t.Errorf("the events are not every kind of notice:\n%s", diff)
	}
	if n.Gather.Std() != 2*time.Minute || n.RemindAfter.Std() != 24*time.Hour || n.Mail.TLS != "starttls" || n.Mail.Timeout.Std() != time.Minute || n.Mail.SubjectPrefix != "[rotatord]" {
		t.Errorf("%+v, %+v", n, n.Mail)
	}
	if err := validate(t, compiled(t), text); err != nil {
		t.Errorf("the schema: %v", err)
	}
}

func TestNotificationProblems(t *testing.T) {
	for _, tc := range []struct {
		name, text, want string
	}{
		{"no way to tell anybody", "  gather: 1m\n",
			"r.yaml:17:3: notifications: does not say how anybody is told (add mail: with server, from and recipients, or webhooks:, or alertmanager:)"},
		{"an unknown event", "  events: [replacd]\n" + goodMail,
			`r.yaml:17:12: notifications.events[0]: is not a value that exists (did you mean "replaced"?)`},
		{"no events", "  events: []\n" + goodMail,
			"r.yaml:17:11: notifications.events: is empty, so nobody is told anything (name what is told, or leave the section notifications out)"},
		{"no server", "  mail: {from: a@example.com, recipients: ['*@example.com']}\n",
			"r.yaml:17:9: notifications.mail.server: is missing"},
		{"nobody to write to", "  mail: {server: 'm:25', from: a@example.com}\n",
			"r.yaml:17:9: notifications.mail.recipients: is missing"},
		{"a server without a port", "  mail: {server: mail.example.com, from: a@example.com, recipients: ['*@example.com']}\n",
			"r.yaml:17:18: notifications.mail.server: is not the address of a server (write host:port, as in mail.example.com:587)"},
		{"no encryption over the network", "  mail: {server: 'm:25', tls: none, from: a@example.com, recipients: ['*@example.com']}\n",
			"r.yaml:17:31: notifications.mail.tls: would send messages over the network unencrypted (write starttls or implicit)"},
		{"a password in plain text", "  mail: {server: '127.0.0.1:25', tls: none, username: a, password_env: P, from: a@example.com, recipients: ['*@example.com']}\n",
			"r.yaml:17:55: notifications.mail.username: would send a password unencrypted (write tls: starttls or implicit, or leave username and password out)"},
		{"a password without a user", goodMail + "    password_file: /etc/mail\n",
			"r.yaml:18:5: notifications.mail.username: username and password go together (set both, or neither)"},
		{"a user without a password", goodMail + "    username: keys\n",
			"r.yaml:21:15: notifications.mail.username: username and password go together (set both, or neither)"},
		{"a sender that is no address", "  mail: {server: 'm:25', from: keys, recipients: ['*@example.com']}\n",
			`r.yaml:17:32: notifications.mail.from: is not an e-mail address (write it as keys@example.com, or as "Keys <keys@example.com>")`},
		{"a copy to somebody with a name", goodMail + "    cc: [Ann <ann@example.com>]\n",
			"r.yaml:21:10: notifications.mail.cc[0]: is not an e-mail address (write it as keys@example.com, without a name)"},
		{"a fallback that is two", goodMail + "    fallback: 'a@example.com, b@example.com'\n",
			"r.yaml:21:15: notifications.mail.fallback: is not an e-mail address (write it as keys@example.com, without a name)"},
		{"a domain for a pattern", "  mail: {server: 'm:25', from: a@example.com, recipients: [example.com]}\n",
			"r.yaml:17:60: notifications.mail.recipients[0]: is not a pattern of e-mail addresses (write an address or a pattern of addresses, as in *@example.com)"},
		{"a broken pattern", "  mail: {server: 'm:25', from: a@example.com, recipients: ['[@example.com']}\n",
			"r.yaml:17:60: notifications.mail.recipients[0]: is not a pattern of e-mail addresses (write an address or a pattern of addresses, as in *@example.com)"},
		{"no time", goodMail + "    timeout: 0\n",
			"r.yaml:21:14: notifications.mail.timeout: leaves no time to send a message (write a time such as 1m)"},
		{"a relative path", goodMail + "    ca_file: ca.pem\n",
			"r.yaml:21:14: notifications.mail.ca_file: is not the absolute path of a file (write a path that begins with /)"},
		{"a webhook without an address", "  webhooks: [{name: ops}]\n",
			"r.yaml:17:14: notifications.webhooks[0].url: is missing (write url_file with an absolute path, or url_env with the name of a variable)"},
		{"a webhook that is not encrypted", "  webhooks: [{name: ops, url: 'http://h.example.com/'}]\n",
			"r.yaml:17:31: notifications.webhooks[0].url: would send secrets over the network unencrypted (write https://)"},
		{"two webhooks of one name", "  webhooks: [{name: ops, url_env: A}, {name: ops, url_env: B}]\n",
			`r.yaml:17:46: notifications.webhooks[1].name: "ops" is the name of notifications.webhooks[0] already (give each a name of its own)`},
		{"a chat that should be signed", "  webhooks: [{name: ops, format: slack, url_env: A, signing_secret_env: B}]\n",
			"r.yaml:17:14: notifications.webhooks[0].signing_secret: signs nothing: slack does not know signatures (leave it out)"},
		{"a provider that is not there", "  webhooks: [{name: ops, url_env: A, providers: [nobody]}]\n",
			`r.yaml:17:50: notifications.webhooks[0].providers[0]: there is no provider "nobody" (write the name of one that is configured)`},
		{"a policy that is not there", "  webhooks: [{name: ops, url_env: A, policies: [nobody]}]\n",
			`r.yaml:17:49: notifications.webhooks[0].policies[0]: there is no policy "nobody" (write the name of one that is configured)`},
		{"an Alertmanager that is not encrypted", "  alertmanager: {urls: ['http://am.example.com:9093']}\n",
			"r.yaml:17:25: notifications.alertmanager.urls[0]: would send secrets over the network unencrypted (write https://)"},
		{"an Alertmanager that is told all the time", "  alertmanager: {urls: ['https://am.example.com'], every: 0}\n",
			"r.yaml:17:59: notifications.alertmanager.every: is shorter than a second (write a time such as 1m)"},
		{"a name without a password", "  alertmanager: {urls: ['https://am.example.com'], username: u}\n",
			"r.yaml:17:62: notifications.alertmanager.username: username and password go together (set both, or neither)"},
		{"no time for a webhook", "  webhooks: [{name: ops, url_env: A, timeout: 0}]\n",
			"r.yaml:17:47: notifications.webhooks[0].timeout: leaves no time to send a message (write a time such as 30s)"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if diff := cmp.Diff([]string{tc.want}, errorsOf(t, withNotifications(tc.text))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestEveryRecipientIsAWarning(t *testing.T) {
	w := lines(mustParse(t, withNotifications("  mail: {server: 'm:25', from: a@example.com, recipients: ['*']}\n")).Warnings)
	want := []string{"r.yaml:17:60: notifications.mail.recipients[0]: lets rotatord write to any address that a provider holds (name the domains that you write to, as in *@example.com)"}
	if diff := cmp.Diff(want, w); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
