package app

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"time"

	"go.uber.org/zap"

	"github.com/rotatord/rotatord/config"
	"github.com/rotatord/rotatord/notify"
	"github.com/rotatord/rotatord/notify/mail"
	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/rotator/engine"
)

// recipients are who may be written to.
func recipients(m *config.Mail) notify.Recipients {
	return notify.Recipients{Allowed: m.Recipients, Fallback: m.Fallback}
}

// notices is what the engine writes down for contacts: nothing where there is no way to tell them.
func notices(n *config.Notifications) engine.Notify {
	if n == nil || n.Mail == nil {
		return engine.Notify{}
	}
	kinds := make([]rotator.NoticeKind, 0, len(n.Events))
	for _, e := range n.Events {
		kinds = append(kinds, rotator.NoticeKind(e))
	}
	return engine.Notify{Kinds: kinds, Recipient: recipients(n.Mail).Of}
}

// newRoute is how notices are sent; nil where nobody is told anything.
func newRoute(n *config.Notifications) (*notify.Route, error) {
	if n == nil || n.Mail == nil {
		return nil, nil
	}
	sender, err := newMail(n.Mail)
	if err != nil {
		return nil, fmt.Errorf("notifications.mail: %w", err)
	}
	return &notify.Route{Sender: sender, Recipient: recipients(n.Mail).Of, Gather: time.Duration(n.Gather)}, nil
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
