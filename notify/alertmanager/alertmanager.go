// Package alertmanager tells an Alertmanager what needs a person, for those who run no Prometheus beside it.
//
// Alertmanager takes what it is told as the state of things: an alert fires while it is repeated and is resolved when that is said, or when it
// is not repeated any more. So nothing waits in the outbox here: every pass tells the whole state to every Alertmanager of the
// cluster, which groups, repeats and routes it. The API is https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml.
package alertmanager

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/rotator/outbound"
)

// Names of the alerts that the package adds to those that it is given.
const (
	// Watchdog fires always: when it is gone, nobody tells anything any more.
	Watchdog = "RotatordWatchdog"
	// Blind fires while the state cannot be read; what fired before is told on meanwhile.
	Blind = "RotatordStateUnreadable"
)

// Alert is one thing that needs a person.
type Alert struct {
	// Labels tell it from every other; alertname is among them.
	Labels map[string]string
	// Annotations are for people.
	Annotations map[string]string
	// Since is when it began; zero for when it was first told.
	Since time.Time
}

// Target is where alerts go. It is never changed once handed over.
type Target struct {
	// URLs are the addresses of all Alertmanagers of one cluster.
	URLs []string
	// Every is the time from one pass to the next.
	Every time.Duration
	// Labels are added to each alert where it has none of that name.
	Labels map[string]string
	// Page is the address of the daemon's page for people; empty for none.
	Page string
	// Username and Password are for basic authentication; empty for none.
	Username string
	Password func() (rotator.Secret, error)
	// RootCAs are trusted in place of the system's; nil for the system's.
	RootCAs *x509.CertPool
}

// Options are what a pusher needs for its whole life.
type Options struct {
	// Alerts returns what needs a person now.
	Alerts func(ctx context.Context) ([]Alert, error)
	Log    *zap.Logger
	// Pushed, if set, is told how each pass ended.
	Pushed func(err error)
	// Agent is sent as the User-Agent.
	Agent string
}

// Pusher tells. Make one with [New].
type Pusher struct {
	o      Options
	target atomic.Pointer[Target]
	wake   chan struct{}
	// firing is what was told last, by its labels. Only Run's goroutine uses it.
	firing map[string]wire
}

// wire is an alert as the API takes it.
type wire struct {
	Labels       map[string]string `json:"labels"`
	Annotations  map[string]string `json:"annotations,omitempty"`
	StartsAt     time.Time         `json:"startsAt"`
	EndsAt       time.Time         `json:"endsAt"`
	GeneratorURL string            `json:"generatorURL,omitempty"`
}

// patience is how many passes may fail before an Alertmanager takes what fires for resolved.
const patience = 4

// timeout bounds one call.
const timeout = 15 * time.Second

// New makes a pusher that tells nobody anything until it has a target.
func New(o Options) *Pusher {
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	if o.Pushed == nil {
		o.Pushed = func(error) {}
	}
	return &Pusher{o: o, wake: make(chan struct{}, 1), firing: map[string]wire{}}
}

// Use puts a target in force; nil tells nobody.
func (p *Pusher) Use(t *Target) {
	p.target.Store(t)
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// Run tells the state until ctx ends. What fires then is not resolved: it is as it was, and the next start goes on.
func (p *Pusher) Run(ctx context.Context) {
	for {
		var next <-chan time.Time
		if t := p.target.Load(); t != nil {
			err := p.pass(ctx, t, time.Now())
			if ctx.Err() == nil {
				p.o.Pushed(err)
			}
			if err != nil && ctx.Err() == nil {
				p.o.Log.Warn("an Alertmanager could not be told what needs a person; it is told again at the next pass", zap.Error(err))
			}
			timer := time.NewTimer(t.Every)
			next = timer.C
		}
		select {
		case <-ctx.Done():
			return
		case <-next:
		case <-p.wake:
		}
	}
}

// pass tells the state once. Each Alertmanager is told by itself, so that one that is down keeps nothing from the others. What
// was resolved is forgotten once all of them were told.
func (p *Pusher) pass(ctx context.Context, t *Target, now time.Time) error {
	told := p.gather(ctx, t, now)
	body, err := json.Marshal(slices.Collect(maps.Values(told)))
	if err != nil {
		return fmt.Errorf("the alerts cannot be written as JSON: %w", err)
	}
	client := &http.Client{Timeout: timeout, CheckRedirect: outbound.NoRedirect,
		Transport: outbound.Transport(&tls.Config{RootCAs: t.RootCAs, MinVersion: tls.VersionTLS12})}
	defer client.CloseIdleConnections()
	var failed []error
	for _, address := range t.URLs {
		if err := p.post(ctx, client, t, address, body); err != nil {
			failed = append(failed, err)
		}
	}
	p.firing = told
	if len(failed) == 0 {
		maps.DeleteFunc(p.firing, func(_ string, w wire) bool { return !w.EndsAt.After(now) })
	}
	return errors.Join(failed...)
}

// gather returns what fires now, and what fired before and has ended.
func (p *Pusher) gather(ctx context.Context, t *Target, now time.Time) map[string]wire {
	alerts, err := p.o.Alerts(ctx)
	alerts = append(alerts, Alert{Labels: map[string]string{"alertname": Watchdog, "severity": "none"},
		Annotations: map[string]string{"summary": "rotatord is alive. It fires always: be told when it is gone."}})
	if err != nil {
		alerts = append(alerts, Alert{Labels: map[string]string{"alertname": Blind, "severity": "critical"},
			Annotations: map[string]string{"summary": "rotatord cannot read its journal, so what needs a person is as it was last known", "description": err.Error()}})
	}
	until := now.Add(patience * t.Every)
	told := map[string]wire{}
	for _, a := range alerts {
		w := wire{Labels: maps.Clone(t.Labels), Annotations: a.Annotations, StartsAt: a.Since, EndsAt: until, GeneratorURL: t.Page}
		if w.Labels == nil {
			w.Labels = map[string]string{}
		}
		maps.Copy(w.Labels, a.Labels)
		key := keyOf(w.Labels)
		if before, ok := p.firing[key]; ok && (a.Since.IsZero() || before.StartsAt.Equal(a.Since)) {
			w.StartsAt = before.StartsAt
		}
		if w.StartsAt.IsZero() || w.StartsAt.After(now) {
			w.StartsAt = now
		}
		told[key] = w
	}
	for key, w := range p.firing {
		if _, on := told[key]; on {
			continue
		}
		w.EndsAt = now
		if err != nil {
			w.EndsAt = until // nobody knows that it has ended
		}
		told[key] = w
	}
	return told
}

func keyOf(labels map[string]string) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		fmt.Fprintf(&b, "%q=%q,", name, labels[name])
	}
	return b.String()
}

func (p *Pusher) post(ctx context.Context, client *http.Client, t *Target, address string, body []byte) error {
	host := address
	if u, err := url.Parse(address); err == nil {
		host = u.Host
	}
	op := "tell the Alertmanager at " + host
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimRight(address, "/")+"/api/v2/alerts", bytes.NewReader(body))
	if err != nil {
		return rotator.NewFault(op, rotator.Invalid, "its address cannot be used")
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", p.o.Agent)
	if t.Username != "" {
		password, err := t.Password()
		if err != nil {
			return rotator.NewFault(op, rotator.Invalid, "reading the password: %w", err)
		}
		r.SetBasicAuth(t.Username, string(password.Reveal()))
		password.Wipe()
	}
	answer, err := client.Do(r)
	if err != nil {
		return rotator.NewFault(op, rotator.Transient, "%w", err)
	}
	defer answer.Body.Close() //nolint:errcheck // nothing more of it is needed
	if answer.StatusCode/100 == 2 {
		return nil
	}
	said, _ := io.ReadAll(io.LimitReader(answer.Body, 300)) // the status alone, if it says no more
	return rotator.NewFault(op, rotator.Invalid, "the answer was %d %s: %q", answer.StatusCode, http.StatusText(answer.StatusCode), said)
}
