package web

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	toolkit "github.com/prometheus/exporter-toolkit/web"
	"go.uber.org/zap"

	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/rotator/forecast"
)

// Reader answers what the pages and the API show. A [rotator.Store] is one.
type Reader interface {
	rotator.View
	// Rotation returns one rotation, or a fault of kind [rotator.Gone].
	Rotation(ctx context.Context, id string) (rotator.Rotation, error)
	// Series returns every key of the credential, the newest first.
	Series(ctx context.Context, c rotator.CredentialID) ([]rotator.TrackedKey, error)
	// HoldOn returns the hold that is in force at now, or nil.
	HoldOn(ctx context.Context, c rotator.CredentialID, now time.Time) (*rotator.Hold, error)
	// ProviderState returns what is stored of a provider; the zero state if nothing is.
	ProviderState(ctx context.Context, provider string) (rotator.ProviderState, error)
	// CountNotices counts what is still to be told to consumers and people.
	CountNotices(ctx context.Context) (rotator.NoticeCounts, error)
	// VerificationOf returns what the last look at the credential's sinks found, or nil.
	VerificationOf(ctx context.Context, c rotator.CredentialID) (*rotator.Verification, error)
	// VerifyFindings returns what needs a person at the provider, by the last look at each of its credentials.
	VerifyFindings(ctx context.Context, provider string) ([]rotator.VerifyFinding, error)
	// Provisions returns the service users that must exist at the provider, or at all if it is empty.
	Provisions(ctx context.Context, provider string) ([]rotator.Provision, error)
}

// Operator acts. An engine.Engine is one.
type Operator interface {
	// Rotate plans a rotation now; actor is who asked.
	Rotate(ctx context.Context, c rotator.CredentialID, reason rotator.Reason, actor string) (rotator.Rotation, error)
	// StartOver gives up the new key of the credential's open rotation, which cannot go on, and makes another.
	StartOver(ctx context.Context, c rotator.CredentialID, actor string) (rotator.Rotation, error)
	// Hold places a hold on its credential, replacing an earlier one.
	Hold(ctx context.Context, h rotator.Hold) error
	// Undo brings the old key of the credential's rotation back while it is only switched off, under the hold.
	Undo(ctx context.Context, h rotator.Hold) (rotator.Rotation, error)
	// Release ends a hold; it succeeds if there is none.
	Release(ctx context.Context, c rotator.CredentialID, actor string) error
	// Approve lets as many rotations of the provider through as wait for approval now, within the time given, and
	// returns how many.
	Approve(ctx context.Context, provider, actor string, within time.Duration) (int, error)
	// ScanNow asks for a scan of every provider.
	ScanNow()
	// Supply takes a key that a person made, tries it, and seals it; the credential's rotation goes on with it. The secret
	// stays the caller's.
	Supply(ctx context.Context, c rotator.CredentialID, s rotator.Supplied, actor string) (rotator.Rotation, error)
	// Removed notes that a person removed what the credential's rotation asked to be removed.
	Removed(ctx context.Context, c rotator.CredentialID, actor string) (rotator.Rotation, error)
	// Provision asks for a service user: the scan that begins now creates it unless it is there.
	Provision(ctx context.Context, d rotator.DeclaredUser, actor string) (rotator.Provision, error)
}

// Options are what a server is made of.
type Options struct {
	Journal  Reader
	Operator Operator
	// Forecaster foresees; nil is a server that does not.
	Forecaster Forecaster
	// Freezer places and lifts freezes; nil is a server that does neither.
	Freezer Freezer
	// Prover makes drills and verifications; nil is a server that does neither.
	Prover Prover
	// Incidents keeps what was reported as leaked; nil is a server that keeps nothing of it.
	Incidents rotator.Incidents
	// Providers returns the names that are configured now.
	Providers func() []string
	// Policies returns the names that are configured now; nil is none.
	Policies func() []string
	// KeySettings returns what the configuration in force says of keys of that provider and that policy; nil is nothing.
	KeySettings func(provider, policy string) rotator.KeySettings
	// Metrics is what /metrics shows.
	Metrics prometheus.Gatherer
	// Version is the daemon's.
	Version string
	// WebConfigFile turns on TLS, basic auth and client certificates, in the format of the Prometheus exporters; empty for
	// none. It is read anew for each request.
	WebConfigFile string
	// Allow says who may read and who may act; nil is everybody who was authenticated.
	Allow func() Allow
	// Bearer verifies OpenID Connect tokens; nil takes none.
	Bearer Bearer
	// Reload reads the configuration anew. Its error is shown to whoever asked, so it must hold every problem in words and
	// no secret.
	Reload func(ctx context.Context) error
	// JournalTrouble returns why the journal could not be written lately and since when; empty if it can. nil is never.
	JournalTrouble func() (why string, since time.Time)
	// Leases returns which replica acts on which provider; nil where there is one process only.
	Leases func(ctx context.Context) ([]rotator.LeaseState, error)
	// Seal returns where the seal key stands; nil is a server without one.
	Seal func(ctx context.Context) (Seal, error)
	// Audit keeps the audit record; nil is none.
	Audit Auditor
	// Log may be nil.
	Log *zap.Logger
}

// Server serves the API, the page, the metrics and the health endpoints. Make one with [New].
type Server struct {
	o       Options
	log     *zap.Logger
	gate    *gate
	sums    later[sums]
	plans   later[forecast.Plan]
	handler http.Handler
	ticker  ticker
	// patience is how long a client of a stream may take to read a piece of it.
	patience time.Duration
	unready  atomic.Pointer[string]
}

// Limits of one connection. Nobody has to send much here, and nobody waits long for an answer.
const (
	headerTime  = 10 * time.Second
	requestTime = 30 * time.Second
	answerTime  = 2 * time.Minute
	idleTime    = 2 * time.Minute
	maxHeader   = 64 << 10
	maxBody     = 64 << 10
	// maxConnections bounds the connections of one listener; what comes beyond waits for one to end.
	maxConnections = 512
	// maxStreams bounds the requests at once on one connection of HTTP/2.
	maxStreams = 64
	// goodbye is how long a stop waits for answers in flight.
	goodbye = 5 * time.Second
)

// New makes a server that is not ready: [Server.SetReady] says when it is. It fails if the web config file, or a
// certificate that the file names, cannot be used.
func New(o Options) (*Server, error) {
	if err := toolkit.Validate(o.WebConfigFile); err != nil {
		return nil, fmt.Errorf("web_config_file %s cannot be used: %w", o.WebConfigFile, err)
	}
	if err := modernTLS(o.WebConfigFile); err != nil {
		return nil, err
	}
	if o.Bearer != nil {
		if err := tokensReach(o.WebConfigFile); err != nil {
			return nil, err
		}
	}
	s := &Server{o: o, log: o.Log, gate: &gate{webConfig: o.WebConfigFile, allow: o.Allow, bearer: o.Bearer}, patience: slowest}
	if s.log == nil {
		s.log = zap.NewNop()
	}
	if o.Audit != nil {
		s.ticker.head = o.Audit.AuditHead
	}
	s.SetUnready("rotatord is starting")
	s.handler = s.routes()
	return s, nil
}

// SetReady makes /-/ready answer 200.
func (s *Server) SetReady() { s.unready.Store(nil) }

// Ready reports what /-/ready answers.
func (s *Server) Ready() bool { return s.unready.Load() == nil }

// SetUnready makes /-/ready answer 503 and say why.
func (s *Server) SetUnready(why string) { s.unready.Store(&why) }

// Handler returns all routes with everything that guards them but what the web config file turns on, which [Server.Serve]
// adds. Outside Serve nothing says where a request was received, so without authentication acting is refused.
func (s *Server) Handler() http.Handler { return s.handler }

// Serve answers requests on l until ctx ends, then finishes those in flight for a short time and returns nil. It closes l.
// It may be called for several listeners.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	server := &http.Server{
		Handler:           s.handler,
		ReadHeaderTimeout: headerTime,
		ReadTimeout:       requestTime,
		WriteTimeout:      answerTime,
		IdleTimeout:       idleTime,
		MaxHeaderBytes:    maxHeader,
		HTTP2:             &http.HTTP2Config{MaxConcurrentStreams: maxStreams, SendPingTimeout: headerTime, PingTimeout: headerTime, WriteByteTimeout: requestTime},
		ErrorLog:          zap.NewStdLog(s.log),
		BaseContext: func(net.Listener) context.Context {
			return context.WithValue(receivedOn(context.WithoutCancel(ctx), l.Addr()), keyStopping, ctx.Done())
		},
	}
	ended, limited := make(chan error, 1), newCrowd(l, maxConnections)
	go func() {
		ended <- toolkit.Serve(limited, server, &toolkit.FlagConfig{WebConfigFile: &s.o.WebConfigFile}, slogTo(s.log))
	}()
	select {
	case err := <-ended:
		_ = limited.Close()
		return fmt.Errorf("serving HTTP on %s: %w", l.Addr(), err)
	case <-ctx.Done():
	}
	return s.stop(ctx, server, ended)
}

// stop lets answers in flight finish, and cuts off those that take too long.
func (s *Server) stop(ctx context.Context, server *http.Server, ended <-chan error) error {
	late, cancel := context.WithTimeout(context.WithoutCancel(ctx), goodbye)
	defer cancel()
	if err := server.Shutdown(late); err != nil {
		s.log.Warn("answers were still being written when the daemon stopped; they are cut off", zap.Error(err))
		_ = server.Close()
	}
	if err := <-ended; err != nil && !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving HTTP: %w", err)
	}
	return nil
}
