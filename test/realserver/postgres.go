package realserver

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver named "pgx"
)

// PostgresServer is a running PostgreSQL server with a folder, a port and a password of its own.
type PostgresServer struct {
	dir, binaries, password string
	port                    int
	process                 *process
	databases               atomic.Int64
}

// StartPostgres starts a PostgreSQL server for all tests of a package, from TestMain. Stop it when they have ended. It keeps
// nothing over a crash of the machine, which makes it quick.
func StartPostgres() (*PostgresServer, error) {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin") // the pattern is good
	if len(found) == 0 {
		return nil, errors.New("there is no PostgreSQL server on this machine; install it with: test/servers/install-apt")
	}
	slices.Sort(found)
	s := &PostgresServer{binaries: found[len(found)-1], password: rand.Text()}
	if err := s.initialise(); err != nil {
		s.Stop()
		return nil, err
	}
	var err error
	for range startTries {
		if s.port, err = freePort(); err != nil {
			break
		}
		if err = s.Start(); err == nil {
			return s, nil
		}
	}
	s.Stop()
	return nil, fmt.Errorf("start PostgreSQL: %w", err)
}

func (s *PostgresServer) initialise() error {
	var err error
	if s.dir, err = os.MkdirTemp("", "postgres"); err != nil {
		return err
	}
	password := filepath.Join(s.dir, "password")
	if err := os.WriteFile(password, []byte(s.password+"\n"), 0o600); err != nil {
		return err
	}
	if os.Geteuid() == 0 { // the server refuses to run as root
		if err := chownTo("postgres", s.dir, password); err != nil {
			return err
		}
	}
	name, args := s.asPostgres("initdb", "--pgdata", s.data(), "--username=postgres", "--auth=scram-sha-256", "--pwfile="+password,
		"--encoding=UTF8", "--locale=C.UTF-8", "--no-sync")
	cmd := exec.CommandContext(context.Background(), name, args...) //nolint:gosec // a test's server
	cmd.Dir = s.dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, out)
	}
	return nil
}

func chownTo(name string, paths ...string) error {
	u, err := user.Lookup(name)
	if err != nil {
		return err
	}
	uid, _ := strconv.Atoi(u.Uid) // a number, on every system that has setpriv
	gid, _ := strconv.Atoi(u.Gid)
	for _, path := range paths {
		if err := os.Chown(path, uid, gid); err != nil {
			return err
		}
	}
	return nil
}

func (s *PostgresServer) data() string { return filepath.Join(s.dir, "data") }

// asPostgres is a command of PostgreSQL's, run as its own user where the test runs as root.
func (s *PostgresServer) asPostgres(command string, args ...string) (string, []string) {
	command = filepath.Join(s.binaries, command)
	if os.Geteuid() != 0 {
		return command, args
	}
	return "setpriv", append([]string{"--reuid=postgres", "--regid=postgres", "--clear-groups", command}, args...)
}

// Start starts the server again after [PostgresServer.Crash], on the same port.
func (s *PostgresServer) Start() error {
	name, args := s.asPostgres("postgres", "-D", s.data(), "-p", strconv.Itoa(s.port), "-c", "listen_addresses=127.0.0.1",
		"-c", "unix_socket_directories="+s.dir, "-c", "fsync=off", "-c", "full_page_writes=off", "-c", "max_connections=200")
	var err error
	if s.process, err = launch(s.dir, nil, name, args...); err != nil {
		return err
	}
	return s.process.await(func(ctx context.Context) error {
		db, err := sql.Open("pgx", s.DSN("postgres"))
		if err != nil {
			return err
		}
		defer db.Close()           //nolint:errcheck // nothing was written
		return db.PingContext(ctx) // its password is known to no other server
	})
}

// Crash ends the server at once, as a failing machine would.
func (s *PostgresServer) Crash() {
	_ = s.process.cmd.Process.Signal(syscall.SIGQUIT) // immediate shutdown of all its processes
	<-s.process.ended
}

// Stop ends the server and removes its data.
func (s *PostgresServer) Stop() {
	if s.process != nil {
		s.Crash()
	}
	_ = os.RemoveAll(s.dir) // at worst it stays in the temporary folder
}

// DSN is the connection string of a database of that name.
func (s *PostgresServer) DSN(database string) string {
	return fmt.Sprintf("postgres://postgres:%s@127.0.0.1:%d/%s?sslmode=disable", s.password, s.port, database)
}

// Address is where the server listens.
func (s *PostgresServer) Address() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)) }

// Database makes a database as a copy of one that nobody is connected to, and returns its name.
func (s *PostgresServer) Database(t testing.TB, template string) string {
	t.Helper()
	name := fmt.Sprintf("test%d", s.databases.Add(1))
	s.Exec(t, "postgres", "CREATE DATABASE "+name+" TEMPLATE "+template)
	return name
}

// Exec runs a statement in the database.
func (s *PostgresServer) Exec(t testing.TB, database, statement string) {
	t.Helper()
	if err := s.Query(context.Background(), database, statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// Query is Exec where there is no test.
func (s *PostgresServer) Query(ctx context.Context, database, statement string) error {
	db, err := sql.Open("pgx", s.DSN(database))
	if err != nil {
		return err
	}
	defer db.Close() //nolint:errcheck // what was written is committed
	_, err = db.ExecContext(ctx, statement)
	return err
}

func freePort() (int, error) {
	var listen net.ListenConfig
	l, err := listen.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close() //nolint:errcheck // nobody connected
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(port)
}
