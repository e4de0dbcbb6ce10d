package journal

import (
	"context"
	"database/sql"
	"errors"
	"testing"
	"time"

	"github.com/rotatord/rotatord/rotator"
)

func TestFaults(t *testing.T) {
	s := openTemp(t)
	busy := func() error { // what a second writer would get
		release := s.hold(t)
		defer release()
		db, err := sql.Open("sqlite", dsn(s.path, []string{"busy_timeout(1)"}))
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		_, err = db.ExecContext(t.Context(), "DELETE FROM meta")
		return s.faults.of("try", err)
	}
	broken := func() error {
		return s.write(t.Context(), "break a rule", func(w *writer) error {
			_, err := w.exec(`INSERT INTO meta (key, value) VALUES ('k', NULL)`)
			return err
		})
	}
	readOnly := func() error {
		return s.faults.of("try", s.each(t.Context(), "DELETE FROM meta", nil, nil))
	}
	late := func() error {
		ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
		defer cancel()
		_, err := s.Counts(ctx, epoch)
		return err
	}
	cases := map[string]struct {
		make  func() error
		kind  rotator.Kind
		words string
	}{
		"busy":      {busy, rotator.Transient, "another program"},
		"rule":      {broken, rotator.Invalid, "defect"},
		"read-only": {readOnly, rotator.Transient, "cannot be written"},
		"late":      {late, rotator.Transient, "before the journal answered"},
		"unknown":   {func() error { return s.faults.of("try", errors.New("odd")) }, rotator.Transient, "odd"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			err := c.make()
			says(t, err, c.kind, c.words)
			var fault *rotator.Fault
			if !errors.As(err, &fault) || fault.Op == "" {
				t.Errorf("%v is not a fault with an operation", err)
			}
		})
	}
}
