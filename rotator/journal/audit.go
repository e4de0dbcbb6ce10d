package journal

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/rotator/audit"
)

const (
	appendAudit = `INSERT INTO audit (seq, at, record, hash) VALUES `

	moveAuditHead = `INSERT INTO audit_head (one, seq, hash) VALUES (1, $1, $2)
ON CONFLICT (one) DO UPDATE SET seq = excluded.seq, hash = excluded.hash`

	readAuditHead = `SELECT seq, hash FROM audit_head`

	lastAudit = `SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1`

	auditPage = `SELECT seq, at, record, hash FROM audit WHERE seq > $1 ORDER BY seq LIMIT $2`
)

// chain is the end of the audit record, and what the transaction under way is to append to it. The records are made at its
// end, in one go: only there is their order known, and that none is taken back.
type chain struct {
	head   rotator.AuditHead
	events [][]byte
}

// record appends an event, as [audit.Encode] wrote it, with the transaction under way.
func (w *writer) record(event []byte) { w.chain.events = append(w.chain.events, event) }

// tell is record for an event that could not be written beforehand.
func (w *writer) tell(e rotator.AuditEvent) error {
	event, err := audit.Encode(e)
	if err == nil {
		w.record(event)
	}
	return err
}

// strides are how many records one statement appends: the more, the less each costs.
var strides = []int{32, 8, 1}

// appendOf is the statement for so many records.
var appendOf = func() map[int]string {
	queries := map[int]string{}
	for _, n := range strides {
		rows := make([]string, n)
		for i := range rows {
			rows[i] = fmt.Sprintf("($%d, $%d, $%d, $%d)", 4*i+1, 4*i+2, 4*i+3, 4*i+4)
		}
		queries[n] = appendAudit + strings.Join(rows, ", ")
	}
	return queries
}()

// seal writes what was recorded and returns the new head, which counts once the transaction is committed.
func (w *writer) seal() (rotator.AuditHead, error) {
	head := w.chain.head
	if len(w.chain.events) == 0 {
		return head, nil
	}
	if !w.db.alone {
		if err := w.findHead(); err != nil {
			return head, err
		}
		head = w.chain.head
	}
	now := w.clock.Now()
	values := make([]any, 0, 4*len(w.chain.events))
	for _, event := range w.chain.events {
		r := audit.Link(head, now, event)
		values = append(values, r.Seq, r.At.UnixMilli(), string(r.Text), r.Hash[:])
		head = rotator.AuditHead{Seq: r.Seq, Hash: r.Hash}
	}
	for _, n := range strides {
		for ; len(values) >= 4*n; values = values[4*n:] {
			if _, err := w.exec(appendOf[n], values[:4*n]...); err != nil {
				return head, err
			}
		}
	}
	_, err := w.exec(moveAuditHead, head.Seq, head.Hash[:])
	return head, err
}

// findHead reads where the chain ends, and keeps others from appending to it until the transaction ends. The head that was
// noted wins over the records: what is missing from the end stays missing, and is not covered up by the records that follow.
func (w *writer) findHead() error {
	if found, err := w.readHead(readAuditHead + w.db.rowLock); found || err != nil {
		return err
	}
	if err := w.lockTable("audit_head"); err != nil {
		return err
	}
	if found, err := w.readHead(readAuditHead); found || err != nil {
		return err
	}
	_, err := w.readHead(lastAudit)
	return err
}

func (w *writer) readHead(query string) (bool, error) {
	var sum []byte
	found, err := w.one(query, nil, &w.chain.head.Seq, &sum)
	if err == nil && found {
		err = fill(&w.chain.head.Hash, sum)
	}
	return found, err
}

// errBadHash says that what stands in place of a hash is none.
var errBadHash = errors.New("an audit record's hash is not 32 bytes long")

func fill(h *rotator.AuditHash, sum []byte) error {
	if len(sum) != len(h) {
		return errBadHash
	}
	copy(h[:], sum)
	return nil
}

// Record implements [rotator.Audit].
func (s *Store) Record(ctx context.Context, e rotator.AuditEvent) error {
	op := "record " + string(e.Kind)
	event, err := audit.Encode(e)
	if err != nil {
		return rotator.NewFault(op, rotator.Invalid, "it cannot be written as JSON: %w", err)
	}
	return s.write(ctx, op, func(w *writer) error {
		w.record(event)
		return nil
	})
}

// AuditHead implements [rotator.Audit].
func (s *Store) AuditHead(ctx context.Context) (rotator.AuditHead, error) {
	const op = "read the end of the audit record"
	var head rotator.AuditHead
	var sum []byte
	found, err := s.one(ctx, readAuditHead, nil, &head.Seq, &sum)
	if err == nil && found {
		err = fill(&head.Hash, sum)
	}
	return head, s.faults.of(op, err)
}

// AuditRecords implements [rotator.Audit]. A record whose hash is none comes with a hash of zeros.
func (s *Store) AuditRecords(ctx context.Context, after int64, fn func(rotator.AuditRecord) error) error {
	for {
		records, err := s.auditPage(ctx, after)
		if err != nil {
			return s.faults.of("read the audit record", err)
		}
		for i := range records {
			if err := fn(records[i]); err != nil {
				return err
			}
		}
		if len(records) < page {
			return nil
		}
		after = records[page-1].Seq
	}
}

func (s *Store) auditPage(ctx context.Context, after int64) ([]rotator.AuditRecord, error) {
	var records []rotator.AuditRecord
	err := s.each(ctx, auditPage, []any{after, page}, func(rows *sql.Rows) error {
		var r rotator.AuditRecord
		var sum []byte
		err := rows.Scan(&r.Seq, stamp{&r.At}, &r.Text, &sum)
		_ = fill(&r.Hash, sum) // a hash that is none is one that does not fit
		records = append(records, r)
		return err
	})
	return records, err
}

// AuditFile reads the audit record of a journal that another process may be writing. It changes nothing.
type AuditFile struct{ s *Store }

// OpenAudit opens the audit record of the journal at path for reading alone, while a daemon may be running on it. A journal
// without an audit record, because an older rotatord wrote it last, is a fault of kind [rotator.Invalid].
func OpenAudit(ctx context.Context, path string) (*AuditFile, error) {
	const op = "open the audit record"
	s := &Store{path: path, db: inSQLite, faults: faults{path: path}, onDamaged: func(string, error) {}}
	var err error
	if s.readDB, err = sql.Open("sqlite", readOnly(dsn(path, readPragmas))); err != nil {
		return nil, s.faults.of(op, err)
	}
	s.readDB.SetMaxOpenConns(1)
	s.reads.db = s.readDB
	version, err := storedVersion(ctx, s.readDB, sqliteSchema)
	if err == nil && version < auditSince {
		err = rotator.NewFault(op, rotator.Invalid, "%s holds no audit record: an older rotatord wrote it; the record begins when this one starts", path)
	}
	if err != nil {
		return nil, errors.Join(s.faults.of(op, fmt.Errorf("%s: %w", path, err)), s.shut())
	}
	return &AuditFile{s}, nil
}

// OpenAuditPostgres is [OpenAudit] for a journal in PostgreSQL.
func OpenAuditPostgres(ctx context.Context, dsn rotator.Secret) (*AuditFile, error) {
	const op = "open the audit record"
	c, err := postgresConfig(dsn)
	if err != nil {
		return nil, err
	}
	s := newStore(placeOf(c), inPostgres, Options{})
	s.readDB = connectTo(c, map[string]string{"default_transaction_read_only": "on"})
	s.readDB.SetMaxOpenConns(1)
	s.reads.db = s.readDB
	version, err := storedVersion(ctx, s.readDB, postgresSchema)
	if err == nil && version < auditSince {
		err = rotator.NewFault(op, rotator.Invalid, "%s holds no audit record; the record begins when rotatord starts there", s.path)
	}
	if err != nil {
		return nil, errors.Join(s.faults.of(op, err), s.shut())
	}
	return &AuditFile{s}, nil
}

// auditSince is the version of the schema that brought the audit record.
const auditSince = 4

// AuditRecords is [Store.AuditRecords].
func (f *AuditFile) AuditRecords(ctx context.Context, after int64, fn func(rotator.AuditRecord) error) error {
	return f.s.AuditRecords(ctx, after, fn)
}

// AuditHead is [Store.AuditHead].
func (f *AuditFile) AuditHead(ctx context.Context) (rotator.AuditHead, error) {
	return f.s.AuditHead(ctx)
}

// Close gives the file back.
func (f *AuditFile) Close() error { return f.s.shut() }
