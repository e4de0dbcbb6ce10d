package app

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"

	"go.uber.org/zap"

	"github.com/rotatord/rotatord/config"
	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/rotator/journal"
	"github.com/rotatord/rotatord/rotator/lease"
)

// openJournal opens the journal that the configuration names.
func openJournal(ctx context.Context, c *config.Config, o journal.Options) (*journal.Store, error) {
	if p := c.Store.Postgres; p != nil {
		dsn, err := p.DSN.Resolve()
		if err != nil {
			return nil, fmt.Errorf("store.postgres.dsn: %w", err)
		}
		defer dsn.Wipe()
		return journal.OpenPostgres(ctx, dsn, o)
	}
	if err := os.MkdirAll(filepath.Dir(c.Store.Path), 0o700); err != nil {
		return nil, fmt.Errorf("store.path: %w", err)
	}
	return journal.Open(ctx, c.Store.Path, o)
}

func (a *App) openStore(ctx context.Context, c *config.Config) error {
	o := journal.Options{OnDamaged: func(rotation string, err error) {
		a.log.Error("a rotation in the journal cannot be read; it stays where it is and the others go on",
			zap.String("rotation", rotation), zap.Error(err))
	}, OnLateWrite: a.lateWrite}
	if c.Store.Postgres != nil {
		a.replica = replicaName()
		o.Replica = a.replica
	}
	var err error
	if a.store, err = openJournal(ctx, c, o); err != nil {
		return err
	}
	if c.Store.Postgres != nil {
		a.leases = a.store
		a.chores = &lease.Keeper{Leases: a.store, Owner: a.replica, Time: c.Store.Postgres.Lease.Std(), Log: a.log}
		a.log.Info("the journal is in PostgreSQL; each account has one replica act on it", zap.String("replica", a.replica))
	}
	return nil
}

// replicaName is this process' name among the replicas: people know the machine by it, and no two processes share one.
func replicaName() string {
	host, err := os.Hostname()
	if err != nil {
		host = ""
	}
	return cmp.Or(host, "replica") + "-" + strings.ToLower(rand.Text()[:8])
}

// lateWrite hears of every write that came after its lease. The journal opens before there are metrics.
func (a *App) lateWrite(l rotator.Lease) {
	a.log.Warn("a late write of this replica was refused: another one owns the account by now",
		zap.String("account", l.Account), zap.Int64("epoch", l.Epoch))
	if m := a.metrics; m != nil {
		m.LateWrite(l.Account)
	}
}

// The accounts of chores that one replica does for all. No provider can have such a name.
const (
	noticesChore = "*notices"
	recordsChore = "*records"
	hooksChore   = "*hooks"
)

// chore runs work in beside: at once where this is the only process, else while this replica has the lease for it.
func (a *App) chore(ctx context.Context, beside *sync.WaitGroup, name string, work func(context.Context)) {
	beside.Go(func() {
		if a.chores == nil {
			work(ctx)
			return
		}
		a.chores.Run(ctx, name, func(ctx context.Context, _ *lease.Tenure) { work(ctx) })
	})
}

// leaseTime is how long leases last; 0 where there are none.
func leaseTime(c *config.Config) (d config.Duration) {
	if c.Store.Postgres != nil {
		d = c.Store.Postgres.Lease
	}
	return d
}

// leaseStates tells who owns what; nil where this process is the only one.
func (a *App) leaseStates() func(context.Context) ([]rotator.LeaseState, error) {
	if a.leases == nil {
		return nil
	}
	return a.leases.LeaseStates
}

// storeChanged names the field that moved the journal elsewhere; empty if it is where it was.
func storeChanged(old, now *config.Store) string {
	switch {
	case !reflect.DeepEqual(old.Postgres, now.Postgres):
		return "store.postgres"
	case old.Path != now.Path:
		return "store.path"
	default:
		return ""
	}
}

// checkStore is the finding about the journal's database; false where it is a file of this machine.
func checkStore(ctx context.Context, c *config.Config) (Finding, bool) {
	if c.Store.Postgres == nil {
		return Finding{}, false
	}
	f := Finding{Name: "journal", OK: true, Detail: "PostgreSQL answers"}
	dsn, err := c.Store.Postgres.DSN.Resolve()
	if err == nil {
		defer dsn.Wipe()
		err = journal.PingPostgres(ctx, dsn)
	}
	if err != nil {
		f.OK, f.Detail = false, err.Error()
	}
	return f, true
}
