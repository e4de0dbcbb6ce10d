package journal

import (
	"context"
	"database/sql"
	"errors"
	"sync"
)

// statements prepares each query once for the pool of readers.
type statements struct {
	db *sql.DB

	mu     sync.Mutex
	closed bool
	byText map[string]*sql.Stmt
}

func (p *statements) get(ctx context.Context, query string) (*sql.Stmt, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, errClosed
	}
	if st, ok := p.byText[query]; ok {
		return st, nil
	}
	st, err := p.db.PrepareContext(ctx, query) //nolint:sqlclosecheck // kept for the next call; close closes it
	if err != nil {
		return nil, err
	}
	if p.byText == nil {
		p.byText = map[string]*sql.Stmt{}
	}
	p.byText[query] = st
	return st, nil
}

func (p *statements) close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	var errs []error
	for _, st := range p.byText {
		errs = append(errs, st.Close())
	}
	p.byText = nil
	return errors.Join(errs...)
}

// errStop ends a walk over rows without an error.
var errStop = errors.New("stop")

// each calls fn for every row until it returns an error. fn must not call the store: the row's connection is one of few.
func (s *Store) each(ctx context.Context, query string, args []any, fn func(*sql.Rows) error) (err error) {
	st, err := s.reads.get(ctx, query) //nolint:sqlclosecheck // it belongs to s.reads, which closes it
	if err != nil {
		return err
	}
	rows, err := st.QueryContext(ctx, args...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		if err := fn(rows); err != nil {
			if errors.Is(err, errStop) {
				return nil
			}
			return err
		}
	}
	return rows.Err()
}

// one reads a single row; it is false if there is none.
func (s *Store) one(ctx context.Context, query string, args []any, dest ...any) (found bool, err error) {
	err = s.each(ctx, query, args, func(rows *sql.Rows) error {
		found = true
		if err := rows.Scan(dest...); err != nil {
			return err
		}
		return errStop
	})
	return found, err
}
