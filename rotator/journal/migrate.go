package journal

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"
	"path"

	"github.com/pressly/goose/v3"
	_ "modernc.org/sqlite" // the driver named "sqlite"

	"github.com/rotatord/rotatord/rotator"
)

//go:embed migrations/*.sql postgres/*.sql
var migrations embed.FS

// versionTable is where goose keeps what was applied.
const versionTable = "goose_db_version"

// schema says how a database is brought up to date.
type schema struct {
	dialect goose.Dialect
	// readTable counts the tables named as versionTable.
	readTable string
	// files is the folder of migrations whose files replace those of the same name; empty for none.
	files string
}

var (
	sqliteSchema = schema{dialect: goose.DialectSQLite3,
		readTable: `SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = '` + versionTable + `'`}
	postgresSchema = schema{dialect: goose.DialectPostgres,
		readTable: `SELECT count(*) FROM pg_class WHERE oid = to_regclass('` + versionTable + `')`, files: "postgres"}
)

// overlay is a folder some of whose files are replaced.
type overlay struct {
	fs.FS
	over fs.FS
}

// Open implements [fs.FS].
func (o overlay) Open(name string) (fs.File, error) {
	if name != "." {
		if f, err := o.over.Open(name); err == nil {
			return f, nil
		}
	}
	return o.FS.Open(name)
}

func (c schema) migrations() (fs.FS, error) {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil || c.files == "" {
		return files, err
	}
	over, err := fs.Sub(migrations, c.files)
	return overlay{files, over}, err
}

const (
	readVersion = `SELECT COALESCE(max(version_id), 0) FROM ` + versionTable + ` WHERE is_applied`
)

// knownVersion is the schema version that this program writes: that of the last embedded migration.
func knownVersion() (int64, error) {
	names, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return 0, err
	}
	var highest int64
	for _, name := range names {
		v, err := goose.NumericComponent(path.Base(name))
		if err != nil {
			return 0, err
		}
		highest = max(highest, v)
	}
	return highest, nil
}

// migrate brings the schema up to date, and refuses one that a newer rotatord wrote. goose is asked only when there is
// something to do: it costs more than all the rest of a start.
func migrate(ctx context.Context, db *sql.DB, place string, as schema) error {
	known, err := knownVersion()
	if err != nil {
		return fmt.Errorf("reading the embedded migrations: %w", err)
	}
	stored, err := storedVersion(ctx, db, as)
	if err != nil {
		return err
	}
	if stored > known {
		return rotator.NewFault("open journal", rotator.Invalid, "%s has schema version %d and this rotatord knows versions up to %d: "+
			"a newer rotatord wrote it; start that one again, or restore the copy from before the upgrade", place, stored, known)
	}
	if stored == known {
		return nil
	}
	files, err := as.migrations()
	if err != nil {
		return err
	}
	provider, err := goose.NewProvider(as.dialect, db, files, goose.WithTableName(versionTable))
	if err != nil {
		return fmt.Errorf("reading the embedded migrations: %w", err)
	}
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("bringing the schema from version %d to %d: %w", stored, known, err)
	}
	return nil
}

func storedVersion(ctx context.Context, db *sql.DB, as schema) (int64, error) {
	var tables, version int64
	if err := db.QueryRowContext(ctx, as.readTable).Scan(&tables); err != nil || tables == 0 {
		return 0, err
	}
	err := db.QueryRowContext(ctx, readVersion).Scan(&version)
	return version, err
}
