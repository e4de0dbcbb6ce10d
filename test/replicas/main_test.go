// Package replicas tests what several replicas share: the journal in a real PostgreSQL, and its leases.
package replicas

import (
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/rotator/journal"
	"github.com/rotatord/rotatord/test/daemon"
	"github.com/rotatord/rotatord/test/realserver"
)

// server is one PostgreSQL for all tests; template is a database of it with an empty journal.
var server *realserver.PostgresServer

const template = "journal"

func TestMain(m *testing.M) {
	var err error
	if server, err = realserver.StartPostgres(); err == nil {
		err = makeTemplate()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := daemon.Run(m)
	server.Stop()
	os.Exit(code)
}

func makeTemplate() error {
	if err := server.Query(context.Background(), "postgres", "CREATE DATABASE "+template); err != nil {
		return err
	}
	s, err := journal.OpenPostgres(context.Background(), dsn(template), journal.Options{})
	if err != nil {
		return err
	}
	return s.Close()
}

func dsn(database string) rotator.Secret { return rotator.NewSecret([]byte(server.DSN(database))) }

// opener returns what opens one database again and again, emptied each time: a database for each case would cost far more.
func opener(t *testing.T) func(*testing.T) rotator.Store {
	database := server.Database(t, template)
	return func(t *testing.T) rotator.Store {
		t.Helper()
		server.Exec(t, database, `DO $$ BEGIN EXECUTE (SELECT 'TRUNCATE ' || string_agg(quote_ident(tablename), ', ') FROM pg_tables
WHERE schemaname = 'public' AND tablename <> 'goose_db_version'); END $$`)
		return join(t, database, "a")
	}
}

// join opens the journal in that database as one replica.
func join(t *testing.T, database, replica string) *journal.Store {
	t.Helper()
	s, err := journal.OpenPostgres(t.Context(), dsn(database), journal.Options{Replica: replica})
	if err != nil {
		t.Fatal(err)
	}
	return s
}
