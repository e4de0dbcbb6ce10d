package journal

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rotatord/rotatord/rotator"
)

func openError(t *testing.T, path string) error {
	t.Helper()
	s, err := Open(t.Context(), path, Options{})
	if err == nil {
		_ = s.Close()
		t.Fatal("it opened")
	}
	return err
}

func says(t *testing.T, err error, kind rotator.Kind, words ...string) {
	t.Helper()
	if err := expect(err, kind, words...); err != nil {
		t.Error(err)
	}
}

func TestASecondProcessIsRefused(t *testing.T) {
	dir := t.TempDir()
	s := openIn(t, dir, Options{})
	says(t, openError(t, s.path), rotator.Conflict, fmt.Sprint("process ", os.Getpid(), " "), "another rotatord", s.path)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	openIn(t, dir, Options{})
}

func TestTheLockIsNotFollowedToAnotherFile(t *testing.T) {
	dir := t.TempDir()
	if err := os.Symlink(filepath.Join(dir, "target"), filepath.Join(dir, "rotatord.db.lock")); err != nil {
		t.Fatal(err)
	}
	openError(t, filepath.Join(dir, "rotatord.db"))
	if _, err := os.Stat(filepath.Join(dir, "target")); !os.IsNotExist(err) {
		t.Errorf("the link was followed: %v", err)
	}
}

func TestFilesAreForTheOwnerAlone(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "rotatord.db"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	s := openIn(t, dir, Options{})
	if err := s.Commit(t.Context(), planned(1)); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) != 4 {
		t.Fatalf("files %v, %v, want the database, its log, its index and the lock", files, err)
	}
	for _, f := range files {
		info, err := os.Stat(f)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: mode %v, %v, want 0600", f, info.Mode(), err)
		}
	}
}

func TestFoldersThatWillNotDo(t *testing.T) {
	dir := t.TempDir()
	open := filepath.Join(dir, "open")
	if err := os.Mkdir(open, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(open, 0o777); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	says(t, openError(t, filepath.Join(open, "j.db")), rotator.Invalid, "chmod o-w "+open)
	says(t, openError(t, filepath.Join(dir, "none", "j.db")), rotator.Invalid, "install -d -m 0700 "+filepath.Join(dir, "none"))
	says(t, openError(t, filepath.Join(file, "j.db")), rotator.Invalid, file)
}

func TestAPathMayHoldAnything(t *testing.T) {
	for _, name := range []string{"with space", "per%20cent", "ques?tion", "ha#sh", "amp&ersand=1", "ünïcode"} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), name+".db")
			if err := openAndClose(path); err != nil {
				t.Fatal(err)
			}
			if info, err := os.Stat(path); err != nil || info.Size() == 0 {
				t.Errorf("the journal is not at its path: %v", err)
			}
		})
	}
}

func TestWhatIsNoJournalIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "j.db")
	garbage := []byte(strings.Repeat("this is a shopping list\n", 500))
	if err := os.WriteFile(path, garbage, 0o600); err != nil {
		t.Fatal(err)
	}
	says(t, openError(t, path), rotator.Invalid, "is damaged", "backup")
	if after, err := os.ReadFile(path); err != nil || string(after) != string(garbage) {
		t.Errorf("the file was changed: %v", err)
	}
}

func TestANewerSchemaIsRefused(t *testing.T) {
	dir := t.TempDir()
	s := openIn(t, dir, Options{})
	known, err := knownVersion()
	if err != nil {
		t.Fatal(err)
	}
	err = s.write(t.Context(), "pretend an upgrade", func(w *writer) error {
		_, err := w.exec(`INSERT INTO goose_db_version (version_id, is_applied) VALUES ($1, 1)`, known+2)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	says(t, openError(t, s.path), rotator.Invalid, fmt.Sprint("schema version ", known+2), fmt.Sprint("up to ", known), "restore")
	says(t, openError(t, s.path), rotator.Invalid, "schema version") // and the lock was given up
}

func TestAnUpToDateSchemaIsNotTouched(t *testing.T) {
	dir := t.TempDir()
	s := openIn(t, dir, Options{})
	// The readers' connections refuse writes, and goose writes first of all.
	if err := migrate(t.Context(), s.readDB, s.path, sqliteSchema); err != nil {
		t.Error(err)
	}
}

func TestMigrationsAreNumberedWithoutGaps(t *testing.T) {
	known, err := knownVersion()
	if err != nil {
		t.Fatal(err)
	}
	files, err := migrations.ReadDir("migrations")
	if err != nil || int64(len(files)) != known {
		t.Errorf("%d migrations and the last is number %d: %v", len(files), known, err)
	}
}

func TestVersionsAreComparedAsNumbers(t *testing.T) {
	cases := []struct {
		version string
		want    bool
	}{
		{"3.51.3", true}, {"3.51.10", true}, {"3.52.0", true}, {"4.0.0", true}, {"3.100.0", true},
		{"3.51.2", false}, {"3.9.9", false}, {"2.99.99", false}, {"", false}, {"three", false},
	}
	for _, c := range cases {
		if got := atLeast(c.version, oldestSQLite); got != c.want {
			t.Errorf("%q: got %v, want %v", c.version, got, c.want)
		}
	}
}

func TestOpeningCanBeCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	dir := t.TempDir()
	if _, err := Open(ctx, filepath.Join(dir, "j.db"), Options{}); rotator.KindOf(err) != rotator.Transient {
		t.Errorf("got %v, want a fault of kind transient", err)
	}
	if err := openAndClose(filepath.Join(dir, "j.db")); err != nil {
		t.Errorf("after a cancelled opening: %v", err)
	}
}

func TestTheConnectionsAreSetUpForPowerCuts(t *testing.T) {
	s := openTemp(t)
	want := map[string]string{"synchronous": "2", "journal_mode": "wal", "secure_delete": "1", "foreign_keys": "1", "temp_store": "2"}
	err := s.write(t.Context(), "read pragmas", func(w *writer) error {
		for pragma, value := range want {
			var got string
			if _, err := w.one("PRAGMA "+pragma, nil, &got); err != nil || got != value {
				t.Errorf("%s is %q, want %q: %v", pragma, got, value, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
