package journal

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"

	"github.com/rotatord/rotatord/rotator"
)

const (
	saveProvision = `INSERT INTO provisions (provider, label, state, body) VALUES ($1, $2, $3, $4)
ON CONFLICT (provider, label) DO UPDATE SET state = excluded.state, body = excluded.body WHERE provisions.body <> excluded.body`

	readProvision = `SELECT body FROM provisions WHERE provider = $1 AND label = $2`

	deleteProvision = `DELETE FROM provisions WHERE provider = $1 AND label = $2`

	readProvisions = `SELECT provider, label, body FROM provisions WHERE $1 = '' OR provider = $1 ORDER BY provider, label`
)

// SaveProvision implements [rotator.Provisions].
func (s *Store) SaveProvision(ctx context.Context, p rotator.Provision) error {
	op := "store the declared service user " + p.Provider + "/" + p.Label
	body, err := json.Marshal(p)
	if err != nil {
		return rotator.NewFault(op, rotator.Invalid, "it cannot be written as JSON: %w", err)
	}
	return s.write(ctx, op, func(w *writer) error {
		var was rotator.Provision
		var stored []byte
		found, err := w.one(readProvision, []any{p.Provider, p.Label}, &stored)
		if err != nil {
			return err
		}
		if found {
			_ = json.Unmarshal(stored, &was) // what cannot be read is replaced all the same
		}
		if _, err := w.exec(saveProvision, p.Provider, p.Label, string(p.State), string(body)); err != nil {
			return err
		}
		if news, is := provisionNews(&was, &p); is {
			return w.tell(news)
		}
		return nil
	})
}

// Provisions implements [rotator.Provisions].
func (s *Store) Provisions(ctx context.Context, provider string) ([]rotator.Provision, error) {
	var all []rotator.Provision
	err := s.each(ctx, readProvisions, []any{provider}, func(rows *sql.Rows) error {
		var owner, label string
		var body sql.RawBytes
		if err := rows.Scan(&owner, &label, &body); err != nil {
			return err
		}
		p, err := decodeProvision(body, owner, label)
		all = append(all, p)
		return err
	})
	if err != nil {
		return nil, s.faults.of("read the declared service users", err)
	}
	return all, nil
}

// decodeProvision reads a stored service user. The error is [rotator.Invalid] and names it. One that cannot be read is not left
// out of a list: whoever reads the list would have it made a second time.
func decodeProvision(body []byte, provider, label string) (rotator.Provision, error) {
	var p rotator.Provision
	err := json.Unmarshal(body, &p)
	if err == nil && (p.Provider != provider || p.Label != label) {
		err = errors.New("its stored form is that of another one")
	}
	if err != nil {
		return rotator.Provision{}, rotator.NewFault("read the declared service user "+provider+"/"+label, rotator.Invalid, "it cannot be read, and no service "+
			"user of provider %s is made meanwhile: %w; stop rotatord, keep a copy of the journal, and restore its latest backup", provider, err)
	}
	return p, nil
}

// ForgetProvision implements [rotator.Provisions].
func (s *Store) ForgetProvision(ctx context.Context, provider, label string) error {
	return s.write(ctx, "forget the declared service user "+provider+"/"+label, func(w *writer) error {
		n, err := w.exec(deleteProvision, provider, label)
		if err != nil || n == 0 {
			return err
		}
		return w.tell(rotator.AuditEvent{Kind: rotator.AuditUser, Outcome: rotator.AuditDone, Provider: provider, ServiceUser: label,
			Note: "no longer looked after: it is not declared any more, or it was done as asked"})
	})
}
