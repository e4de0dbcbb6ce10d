package app

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"time"

	"go.uber.org/zap"

	"github.com/rotatord/rotatord/config"
	"github.com/rotatord/rotatord/notify"
	"github.com/rotatord/rotatord/notify/mail"
	"github.com/rotatord/rotatord/notify/webhook"
	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/rotator/engine"
)

// recipients say which contact may be written to, and where: nobody where no mail is sent.
func recipients(n *config.Notifications) func(address string) string {
	if n == nil || n.Mail == nil {
		return nil
	}
	return notify.Recipients{Allowed: n.Mail.Recipients, Fallback: n.Mail.Fallback}.Of
}

// notices is what the engine writes down to be told: nothing where there is no way to tell it.
func notices(n *config.Notifications) engine.Notify {
	if n == nil {
		return engine.Notify{}
	}
	told := engine.Notify{Kinds: kinds(n.Events), Recipient: recipients(n), Remind: n.RemindAfter.Std()}
	for _, w := range n.Webhooks {
		events := w.Events
		if len(events) == 0 {
			events = n.Events
		}
		told.Channels = append(told.Channels, engine.Channel{Address: notify.ChannelAddress(w.Name), Kinds: kinds(events), Concerns: concerns(w)})
	}
	return told
}

func kinds(events []string) []rotator.NoticeKind {
	all := make([]rotator.NoticeKind, 0, len(events))
	for _, e := range events {
		all = append(all, rotator.NoticeKind(e))
	}
	return all
}

// concerns are the rotations that a webhook is told of.
func concerns(w config.Webhook) func(*rotator.Rotation) bool {
	among := func(names []string, name string) bool { return len(names) == 0 || slices.Contains(names, name) }
	return func(r *rotator.Rotation) bool { return among(w.Providers, r.Provider) && among(w.Policies, r.Policy) }
}

// newRoute is how notices are sent; nil where nobody is told anything.
func newRoute(n *config.Notifications, version string) (*notify.Route, error) {
	if n == nil {
		return nil, nil
	}
	ways := notify.Channels{Recipient: recipients(n), ByName: map[string]notify.Sender{}}
	if n.Mail != nil {
		sender, err := newMail(n.Mail)
		if err != nil {
			return nil, fmt.Errorf("notifications.mail: %w", err)
		}
		ways.Contacts = sender
	}
	for _, w := range n.Webhooks {
		sender, err := newWebhook(w, version)
		if err != nil {
			return nil, fmt.Errorf("notifications.webhooks %s: %w", w.Name, err)
		}
		ways.ByName[w.Name] = sender
	}
	return &notify.Route{Sender: ways, Recipient: ways.Of, Way: ways.Way, Gather: time.Duration(n.Gather)}, nil
}

func newWebhook(w config.Webhook, version string) (*webhook.Sender, error) {
	pool, err := trusted(w.CAFile)
	if err != nil {
		return nil, err
	}
	o := webhook.Options{Format: webhook.Format(w.Format), URL: w.URL.Resolve, RootCAs: pool, Timeout: time.Duration(w.Timeout), Agent: "rotatord/" + version}
	if !w.SigningSecret.IsZero() {
		o.Secret = w.SigningSecret.Resolve
	}
	return webhook.New(o), nil
}

func newMail(m *config.Mail) (*mail.Sender, error) {
	host, port, err := net.SplitHostPort(m.Server)
	if err != nil {
		return nil, err
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		return nil, err
	}
	pool, err := trusted(m.CAFile)
	if err != nil {
		return nil, err
	}
	return mail.New(mail.Options{
		Host: host, Port: number, TLS: mail.TLS(m.TLS), RootCAs: pool, Username: m.Username, Password: m.Password.Resolve,
		From: m.From, ReplyTo: m.ReplyTo, CC: m.CC, SubjectPrefix: m.SubjectPrefix, Questions: m.Questions,
		Timeout: time.Duration(m.Timeout),
	})
}

// useRoute puts a route in force. Notices that were written before nobody was to be told any more stay where they are.
func (a *App) useRoute(ctx context.Context, r *notify.Route) {
	a.dispatcher.Use(r)
	if r != nil {
		return
	}
	if c, err := a.store.CountNotices(ctx); err == nil && c.Fresh+c.Failed > 0 {
		a.log.Warn("notices wait to be delivered and there is no section notifications in the configuration: they stay in the journal until there is one",
			zap.Int("notices", c.Fresh+c.Failed))
	}
}
