package replicas

import (
	"strings"
	"testing"
	"time"

	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/rotator/audit"
	"github.com/rotatord/rotatord/rotator/journal"
	"github.com/rotatord/rotatord/test/daemon"
	"github.com/rotatord/rotatord/test/realserver"
)

// TestOpeningSaysWhatIsWrong is about a database that cannot be used.
func TestOpeningSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	good := server.DSN(server.Database(t, template))
	newer := server.Database(t, template)
	server.Exec(t, newer, "INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, true)")
	readOnly := server.Database(t, template)
	server.Exec(t, "postgres", "ALTER DATABASE "+readOnly+" SET default_transaction_read_only = on")
	careless := server.Database(t, template)
	server.Exec(t, "postgres", "ALTER DATABASE "+careless+" SET synchronous_commit = off")
	server.Exec(t, "postgres", "CREATE ROLE stranger LOGIN PASSWORD 'secret-of-stranger'")
	for _, tc := range []struct {
		name, dsn string
		kind      rotator.Kind
		says      string
	}{
		{"no connection string", "postgres://%zz:secret-of-stranger@", rotator.Invalid, "holds no connection string"},
		{"nobody there", "postgres://x:secret-of-stranger@127.0.0.1:1/x", rotator.Transient, "cannot be reached"},
		{"wrong password", strings.Replace(good, "://postgres:", "://postgres:secret-of-stranger", 1), rotator.Denied, "refuses the user or the password"},
		{"no such database", server.DSN("missing"), rotator.Invalid, "no such database"},
		{"newer schema", server.DSN(newer), rotator.Invalid, "a newer rotatord wrote it"},
		{"read-only", server.DSN(readOnly), rotator.Invalid, "read-only, a standby for instance"},
		{"commits that are not durable", server.DSN(careless), rotator.Invalid, "synchronous_commit off"},
		{"a role without rights", strings.Replace(server.DSN("postgres"), good[:strings.Index(good, "@")], "postgres://stranger:secret-of-stranger", 1),
			rotator.Denied, "the role may not do that"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s, err := journal.OpenPostgres(t.Context(), rotator.NewSecret([]byte(tc.dsn)), journal.Options{})
			if err == nil {
				t.Fatal("it opened", s.Close())
			}
			if rotator.KindOf(err) != tc.kind || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("got (%s) %v", rotator.KindOf(err), err)
			}
			if strings.Contains(err.Error(), "secret-of-stranger") {
				t.Error("the error holds the password")
			}
		})
	}
}

// TestTheServerRestarts is about connections that broke: whoever has the journal open goes on, with the same leases.
func TestTheServerRestarts(t *testing.T) {
	t.Parallel()
	own, err := realserver.StartPostgres()
	if err != nil {
		t.Fatal(err)
	}
	defer own.Stop()
	open := func(replica string) *journal.Store {
		t.Helper()
		s, err := journal.OpenPostgres(t.Context(), rotator.NewSecret([]byte(own.DSN("postgres"))), journal.Options{Replica: replica})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		return s
	}
	a, b := open("a"), open("b")
	l, err := a.AcquireLease(t.Context(), "p", "a", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	own.Crash()
	err = a.RenewLease(t.Context(), l, time.Hour)
	if rotator.KindOf(err) != rotator.Transient {
		t.Errorf("without a server: (%s) %v", rotator.KindOf(err), err)
	}
	if err := own.Start(); err != nil {
		t.Fatal(err)
	}
	daemon.Await(t, daemon.Patience, "the journal writes again", func() error { return a.RenewLease(t.Context(), l, time.Hour) })
	if states, err := a.LeaseStates(t.Context()); err != nil || len(states) != 1 || states[0].Owner != "a" {
		t.Errorf("the leases are %+v (%v)", states, err)
	}
	if err := a.Close(); err != nil {
		t.Error(err)
	}
	daemon.Await(t, daemon.Patience, "another replica sees that a has ended", func() error {
		_, err := b.AcquireLease(t.Context(), "p", "b", time.Hour)
		return err
	})
}

// TestOneChainOfTwoReplicas has both append to the audit record at once.
func TestOneChainOfTwoReplicas(t *testing.T) {
	t.Parallel()
	database := server.Database(t, template)
	stores := []*journal.Store{join(t, database, "a"), join(t, database, "b")}
	const each = 100
	done := make(chan error)
	for _, s := range stores {
		go func() {
			for range each {
				if err := s.Record(t.Context(), rotator.AuditEvent{Kind: rotator.AuditReload, Outcome: rotator.AuditDone}); err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
	}
	for range stores {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	result, err := audit.VerifyChain(t.Context(), stores[0], nil)
	if err != nil || result.Wrong != 0 || result.Records != 2*each {
		t.Errorf("got %+v (%v)", result, err)
	}
	for _, s := range stores {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}
