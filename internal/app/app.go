// Package app wires the daemon: configuration, journal, providers, sinks, engine, web server, signals. It decides nothing.
// Everything that can fail does so before anything is live.
package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"reflect"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/rotatord/rotatord/config"
	"github.com/rotatord/rotatord/hooks"
	"github.com/rotatord/rotatord/notify"
	"github.com/rotatord/rotatord/notify/alertmanager"
	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/rotator/engine"
	"github.com/rotatord/rotatord/rotator/journal"
	"github.com/rotatord/rotatord/rotator/lease"
	"github.com/rotatord/rotatord/web"
	"github.com/rotatord/rotatord/web/metrics"
)

// Options say what to run.
type Options struct {
	// ConfigPath is the configuration file.
	ConfigPath string
	// Version and Revision say what is running.
	Version, Revision string
	// Log, if set, is used in place of what the configuration asks for.
	Log *zap.Logger
	// Observer, if set, hears everything that the metrics hear.
	Observer engine.Observer
	// Retry, if set, is used in place of [DefaultRetry].
	Retry engine.Backoff
	// Drain is how long a stop waits for calls in flight; 0 is twenty seconds.
	Drain time.Duration
}

// DefaultRetry spaces the retries of failed steps.
var DefaultRetry = engine.Backoff{Base: 5 * time.Second, Max: 15 * time.Minute}

// defaultDrain is shorter than systemd's and Kubernetes' patience.
const defaultDrain = 20 * time.Second

// garbage is how much of the heap may be garbage, in percent, before it is collected: less than Go's default of 100,
// because the daemon is idle nearly always and its peaks come from scans of large inventories. GOGC in the environment wins.
const garbage = 30

// App is a daemon that is ready to run.
type App struct {
	o        Options
	log      *zap.Logger
	level    zap.AtomicLevel
	store    *journal.Store
	replica  string         // the name of this process among several; empty where it is the only one
	leases   rotator.Leases // nil where this process is the only one, as is chores
	chores   *lease.Keeper
	seal     *sealing
	engine   *engine.Engine
	metrics  *metrics.Metrics
	server   *web.Server
	listener net.Listener
	builder  *builder

	dispatcher *notify.Dispatcher
	pusher     *alertmanager.Pusher
	hooks      *hooks.Runner

	began  time.Time  // when this process did
	mu     sync.Mutex // one reload at a time
	config atomic.Pointer[config.Config]
	setup  atomic.Pointer[engine.Setup]

	perKeyOff atomic.Bool // so that it is said once
	trouble   journalTrouble
	forgetter *forgetter
	scanned   scanned
}

// BadConfigError is an error of [New] about the configuration file itself: it cannot be read, or holds mistakes.
type BadConfigError struct{ error }

// Unwrap returns the error of package config.
func (e BadConfigError) Unwrap() error { return e.error }

// New reads the configuration and makes everything, without a call to any provider or sink. Close what it returns, or
// run it.
func New(ctx context.Context, o Options) (_ *App, err error) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(garbage)
	}
	c, err := config.Load(o.ConfigPath)
	if err != nil {
		return nil, BadConfigError{err}
	}
	if o.Retry == (engine.Backoff{}) {
		o.Retry = DefaultRetry
	}
	a := &App{o: o, level: zap.NewAtomicLevel(), began: time.Now(), scanned: newScanned(), forgetter: newForgetter()}
	if a.log, err = a.newLog(c); err != nil {
		return nil, err
	}
	a.warn(c)
	defer func() {
		if err != nil {
			a.close()
		}
	}()
	a.harden()
	if err := a.openSealed(ctx, c); err != nil {
		return nil, err
	}
	registry := prometheus.NewRegistry()
	a.metrics = metrics.New(metrics.Options{
		Registry: registry, View: a.store, Operations: a.store, Provisions: a.store.Provisions, Version: o.Version, Revision: o.Revision,
		Providers: a.providerNames, Sinks: a.sinkNames, Freezes: a.freezes,
		Notices: a.store.CountNotices, Verified: a.store.CountVerifications, PendingHooks: a.store.PendingHooks, Hooks: a.hookNames,
		Incidents: a.store, Leaked: a.store, AuditHead: a.store.AuditHead, PerKey: a.perKey, KeySettings: a.keySettings,
		Owners: a.owners, NextDue: a.nextDue, NextScan: a.nextScan, NextVerification: a.nextVerification, ProofDue: a.proofDue, SinkTokens: a.sinkTokens, Certificates: a.certificates, Ready: a.ready,
	})
	a.builder = newBuilder(o.Version, o.Retry, a.metrics.ProviderRequest)
	setup, err := a.builder.setup(c)
	if err != nil {
		return nil, err
	}
	route, err := newRoute(c.Notifications, o.Version)
	if err != nil {
		return nil, err
	}
	target, err := newTarget(c.Notifications)
	if err != nil {
		return nil, err
	}
	told, err := newHooks(c, o.Version)
	if err != nil {
		return nil, err
	}
	a.config.Store(c)
	a.setup.Store(setup)
	a.hooks = hooks.New(hooks.Options{Hooks: a.store, Log: a.log, Counted: a.metrics.HookRan, Told: a.told, Drain: cmp.Or(o.Drain, defaultDrain)})
	a.hooks.Use(told)
	a.dispatcher = notify.New(notify.Options{Outbox: a.store, Log: a.log, Counted: a.metrics.NoticesTried, Drain: cmp.Or(o.Drain, defaultDrain)})
	a.useRoute(ctx, route)
	a.pusher = alertmanager.New(alertmanager.Options{Alerts: a.alerts, Log: a.log, Pushed: a.metrics.AlertsPushed, Agent: "rotatord/" + o.Version})
	a.pusher.Use(target)
	a.engine = engine.New(engine.Options{Store: sealedStore{a.store, a.seal}, Sealer: a.seal.sealer, Log: a.log, Observer: a.observer(),
		Drain: cmp.Or(o.Drain, defaultDrain), Leases: a.leases, Owner: a.replica, LeaseTime: leaseTime(c).Std()}, setup)
	return a, a.listen(ctx, c, registry)
}

func (a *App) observer() engine.Observer {
	all := observers{a.metrics, giveBack{}, a.forgetter, &a.trouble, a.scanned, hookWaker{wake: a.hooks.Wake}}
	if a.o.Observer != nil {
		all = append(all, a.o.Observer)
	}
	return all
}

func (a *App) warn(c *config.Config) {
	for _, w := range c.Warnings {
		a.log.Warn("configuration: " + w.String())
	}
}

func (a *App) providerNames() []string {
	var names []string
	for _, p := range a.config.Load().Providers {
		names = append(names, p.Name)
	}
	return names
}

func (a *App) policyNames() []string {
	var names []string
	for _, p := range a.setup.Load().Policies {
		names = append(names, p.Name)
	}
	return names
}

func (a *App) sinkNames() []string {
	var names []string
	for _, s := range a.config.Load().Sinks {
		names = append(names, s.Name)
	}
	return names
}

// Addr is where the web server listens.
func (a *App) Addr() string { return a.listener.Addr().String() }

// Store gives read access to the journal, for the demo's narration.
func (a *App) Store() rotator.View { return a.store }

// Run works until ctx ends, then stops within a bound. Signals are the caller's business, except the reload, which it
// asks for with [App.Reload].
func (a *App) Run(ctx context.Context) error {
	defer a.close()
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	served := make(chan error, 1)
	web, stopWeb := context.WithCancel(context.WithoutCancel(ctx))
	defer stopWeb()
	go func() { served <- a.server.Serve(web, a.listener) }()
	go func() {
		if err := <-served; err != nil && !errors.Is(err, context.Canceled) {
			stop(fmt.Errorf("the web server failed: %w", err))
		}
		close(served)
	}()
	a.recordStart(ctx)
	supervised := make(chan struct{})
	go func() { a.supervise(ctx); close(supervised) }()
	err := a.awaitSeal(ctx)
	if err == nil && ctx.Err() == nil {
		err = a.work(ctx)
	}
	stop(nil)
	<-supervised
	stopWeb() // last, so that the page and the metrics show the stop
	<-served  //nolint:errcheck // it is closed by then; what it held was taken above
	if cause := context.Cause(ctx); err == nil && !errors.Is(cause, context.Canceled) {
		err = cause
	}
	a.recordStop(ctx, err)
	a.log.Info("rotatord has stopped; what was in flight resumes at the next start", zap.Error(err))
	return err
}

// work does everything that needs the seal, until ctx ends.
func (a *App) work(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	a.server.SetReady()
	defer context.AfterFunc(ctx, func() { a.server.SetUnready("rotatord is stopping") })()
	go a.preflight(ctx)
	go a.probeSinks(ctx)
	var beside sync.WaitGroup
	a.chore(ctx, &beside, noticesChore, a.dispatcher.Run)
	a.chore(ctx, &beside, hooksChore, a.hooks.Run)
	beside.Go(func() { a.pusher.Run(ctx) }) // each replica tells it: the same alert twice is one
	beside.Go(func() { a.countFindings(ctx) })
	beside.Go(func() { a.forgetter.run(ctx) })
	a.chore(ctx, &beside, recordsChore, a.lookAfterRecords)
	a.log.Info("rotatord is running", zap.String("version", a.o.Version), zap.String("listen", a.Addr()),
		zap.Int("providers", len(a.config.Load().Providers)), zap.Int("policies", len(a.config.Load().Policies)))
	err := a.engine.Run(ctx)
	stop()
	beside.Wait()
	return err
}

// Reload reads the configuration anew and puts it in force. A bad one changes nothing: the error says what is wrong,
// the metric, the log and the audit record say so too.
func (a *App) Reload(ctx context.Context) error {
	err := a.takeOver(ctx)
	a.recordReload(ctx, err)
	return err
}

// takeOver is Reload for who records it.
func (a *App) takeOver(ctx context.Context) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	err := a.reload(ctx)
	a.metrics.ConfigReloaded(err)
	if err != nil {
		a.log.Error("the configuration was not taken; the one before stays in force", zap.Error(err))
	}
	return err
}

func (a *App) reload(ctx context.Context) error {
	c, err := config.Load(a.o.ConfigPath)
	if err != nil {
		return err
	}
	setup, err := a.builder.setup(c)
	if err != nil {
		return err
	}
	route, err := newRoute(c.Notifications, a.o.Version)
	if err != nil {
		return err
	}
	target, err := newTarget(c.Notifications)
	if err != nil {
		return err
	}
	told, err := newHooks(c, a.o.Version)
	if err != nil {
		return err
	}
	if err := a.reloadSeal(ctx, c); err != nil {
		return err
	}
	old := a.config.Load()
	if fixed := restartNeeded(old, c); fixed != "" {
		a.log.Warn("a change in the configuration takes effect at the next start only", zap.String("field", fixed))
	}
	if err := a.engine.Apply(ctx, setup); err != nil {
		return err
	}
	a.config.Store(c)
	a.setup.Store(setup)
	a.useRoute(ctx, route)
	a.pusher.Use(target)
	a.hooks.Use(told)
	a.setLevel(c)
	a.warn(c)
	a.log.Info("the configuration was read anew and is in force")
	return nil
}

// restartNeeded names a field that changed and is only read at start.
func restartNeeded(old, now *config.Config) string {
	switch {
	case storeChanged(&old.Store, &now.Store) != "":
		return storeChanged(&old.Store, &now.Store)
	case old.Server.Listen != now.Server.Listen:
		return "server.listen"
	case old.Server.WebConfigFile != now.Server.WebConfigFile:
		return "server.web_config_file"
	case !reflect.DeepEqual(old.Server.OIDC, now.Server.OIDC):
		return "server.oidc"
	case old.Log.Format != now.Log.Format:
		return "log.format"
	default:
		return ""
	}
}

func (a *App) close() {
	if a.listener != nil {
		_ = a.listener.Close() // closed already if it was served
	}
	if a.store != nil {
		if err := a.store.Close(); err != nil {
			a.log.Error("closing the journal failed", zap.Error(err))
		}
	}
	_ = a.log.Sync() // fails on terminals and pipes, where there is nothing to sync
}
