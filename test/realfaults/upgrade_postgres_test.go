package realfaults

import (
	"bytes"
	"database/sql"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/rotatord/rotatord/test/realserver"
)

// postgres is one server for all tests that want one; TestMain stops it.
var (
	postgres        = sync.OnceValues(realserver.StartPostgres)
	postgresStarted atomic.Bool
)

func stopPostgres() {
	if !postgresStarted.Load() {
		return
	}
	if server, err := postgres(); err == nil {
		server.Stop()
	}
}

// serverOf is that server.
func serverOf(t *testing.T) *realserver.PostgresServer {
	t.Helper()
	postgresStarted.Store(true)
	server, err := postgres()
	if err != nil {
		t.Fatal(err)
	}
	return server
}

// inPostgres has the daemon keep its journal in a database of its own.
func inPostgres(t *testing.T, s *setting) {
	t.Helper()
	server := serverOf(t)
	if s.config.Files == nil {
		s.config.Files = map[string]string{}
	}
	s.config.Files["dsn"] = server.DSN(server.Database(t, "template0"))
	s.server = "store: {postgres: {dsn_file: $DIR/dsn, lease: 6s}, seal: {key_file: $DIR/seal.key}}\n"
}

func (x *site) dsn() string {
	x.t.Helper()
	dsn, err := os.ReadFile(x.d.Path("dsn"))
	if err != nil {
		x.t.Fatal(err)
	}
	return string(dsn)
}

func openPostgres(x *site) (*sql.DB, error) { return sql.Open("pgx", x.dsn()) }

// dump writes the database down as statements.
func dump(x *site) []byte {
	x.t.Helper()
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/pg_dump") // the pattern is good
	if len(found) == 0 {
		x.t.Fatal("there is no pg_dump on this machine; install it with: test/servers/install-apt")
	}
	slices.Sort(found)
	out, err := exec.CommandContext(x.t.Context(), found[len(found)-1], "--dbname="+x.dsn(), "--inserts", "--no-owner", "--no-privileges").Output()
	if err != nil {
		x.t.Fatalf("pg_dump: %v", err)
	}
	var statements bytes.Buffer
	for line := range strings.Lines(string(out)) {
		if !strings.HasPrefix(line, `\`) && !strings.HasPrefix(line, "--") { // what psql alone understands, and words
			statements.WriteString(line)
		}
	}
	return statements.Bytes()
}

// fromDump carries out what dump wrote.
func fromDump(x *site, content []byte) {
	x.t.Helper()
	db, err := openPostgres(x)
	if err != nil {
		x.t.Fatal(err)
	}
	defer db.Close() // what it did is looked at
	if _, err := db.ExecContext(x.t.Context(), string(content)); err != nil {
		x.t.Fatalf("restore the dump: %v", err)
	}
}
