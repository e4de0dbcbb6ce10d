package e2e

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/rotator/journal"
	"github.com/rotatord/rotatord/rotator/seal"
	"github.com/rotatord/rotatord/test/daemon"
)

// autopsy is what is looked at while the daemon is dead.
type autopsy struct {
	f          *fleet
	complaints []string
	// stages counts the stages in which open rotations were found, orphans the active keys whose secret nobody has, opened the
	// secrets that were found sealed and could be opened.
	stages          map[rotator.Stage]int
	orphans, opened int
	held            map[string]bool // the places that once held a secret
}

func (a *autopsy) complain(format string, args ...any) {
	a.complaints = append(a.complaints, fmt.Sprintf(format, args...))
}

// perform looks at everything that must hold after a death at any moment.
func (a *autopsy) perform() {
	a.f.t.Helper()
	delivered := map[string]map[string]daemon.Key{} // by service user: sink to key
	for _, s := range a.f.services {
		delivered[s.UserID] = map[string]daemon.Key{}
		for sink := range a.f.readers(s) {
			if k, ok := a.sinkHolds(s, sink); ok {
				delivered[s.UserID][sink] = k
			}
		}
	}
	a.journalKnows(delivered)
}

// sinkHolds is guarantee G1 for one sink: nothing was delivered there yet, or it holds the whole secret of a key of this service
// user that the provider accepts.
func (a *autopsy) sinkHolds(s daemon.Service, sink string) (k daemon.Key, ok bool) {
	ctx, place := a.f.t.Context(), s.Name+" in "+sink
	secret, err := a.f.readers(s)[sink](ctx)
	if errors.Is(err, daemon.ErrNothing) && !a.held[place] {
		return k, false
	}
	if err != nil {
		a.complain("%s cannot be read: %v", place, err)
		return k, false
	}
	a.held[place] = true
	k, known := a.f.provider.KeyOfSecret(secret)
	if !known || k.UserID != s.UserID {
		a.complain("%s holds %d bytes that are no key of this service user", place, len(secret))
		return k, false
	}
	if err := a.f.provider.Use(ctx, secret); err != nil {
		a.complain("%s: %v", place, err)
	}
	return k, true
}

// journalKnows is guarantee G2: each active key that the daemon made stands in the journal by its name, and either it was never
// sealed, so that it will be found and revoked, or its secret is there, or it is in the sinks.
func (a *autopsy) journalKnows(delivered map[string]map[string]daemon.Key) {
	a.f.t.Helper()
	store := a.openCopy()
	if store != nil {
		defer store.Close() // a copy
	}
	for _, s := range a.f.services {
		for _, k := range a.f.provider.Active(s.UserID) {
			if k.ID == s.KeyID {
				continue
			}
			if store == nil {
				a.complain("key %s (id %s) was made, and there is no journal", k.Name, k.ID)
				continue
			}
			a.keyIsKnown(store, k, delivered[s.UserID])
		}
	}
	if store != nil {
		a.tally(store)
	}
}

func (a *autopsy) tally(store *journal.Store) {
	open, err := store.Rotations(a.f.t.Context(), false, 1000)
	if err != nil {
		a.complain("the open rotations cannot be read: %v", err)
	}
	for _, r := range open {
		a.stages[r.Stage]++
	}
}

func (a *autopsy) keyIsKnown(store *journal.Store, k daemon.Key, delivered map[string]daemon.Key) {
	ctx, id, user := a.f.t.Context(), k.ID, k.UserID
	rec, err := store.Name(ctx, a.f.provider.Name(), user, k.Name)
	if err != nil {
		a.complain("key %s (id %s) of user %s was made without a durable intent: %v", k.Name, id, user, err)
		return
	}
	r, err := store.Rotation(ctx, rec.Rotation)
	if err != nil {
		a.complain("rotation %s of key %s cannot be read: %v", rec.Rotation, k.Name, err)
		return
	}
	switch {
	case !rec.Sealed:
		a.orphans++
	case r.NewKey.ID != id:
		a.complain("key %s (id %s) is sealed by rotation %s, which is about key %s", k.Name, id, r.ID, r.NewKey.ID)
	case len(r.Sealed) > 0:
		a.opens(&r, k)
	default:
		for _, p := range r.Sinks {
			if delivered[p.Sink].Created.Before(k.Created) {
				a.complain("rotation %s has erased the sealed secret of key %s (id %s) in stage %s, and sink %s holds that of key %q",
					r.ID, k.Name, id, r.Stage, p.Sink, delivered[p.Sink].ID)
			}
		}
	}
}

// opens checks that what was sealed is the key's own secret.
func (a *autopsy) opens(r *rotator.Rotation, k daemon.Key) {
	sealer, err := seal.ReadKeyFile(a.f.d.Path("seal.key"))
	if err != nil {
		a.f.t.Fatal(err)
	}
	secret, err := sealer.Open(seal.Record{Provider: r.Provider, UserID: r.UserID, Base: r.Base, Version: r.Version, Rotation: r.ID, Purpose: "delivery"}, r.Sealed)
	if err != nil {
		a.complain("the sealed secret of rotation %s cannot be opened: %v", r.ID, err)
		return
	}
	if found, _ := a.f.provider.KeyOfSecret(string(secret.Reveal())); found.ID != k.ID {
		a.complain("rotation %s has sealed the secret of key %s as that of key %s", r.ID, found.ID, k.ID)
	}
	a.opened++
}

// openCopy opens a copy of the dead daemon's journal, so that the original stays as the death left it; nil if there is none yet.
func (a *autopsy) openCopy() *journal.Store {
	a.f.t.Helper()
	store, err := openCopy(a.f.t.Context(), a.f.d.StorePath, a.f.t.TempDir())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		a.complain("the journal cannot be opened: %v", err)
		return nil
	}
	return store
}

// last looks at the end, when everything was completed without a kill.
func (a *autopsy) last() {
	a.f.t.Helper()
	a.perform()
	for _, s := range a.f.services {
		active := a.f.provider.Active(s.UserID)
		for sink, read := range a.f.readers(s) {
			secret, err := read(a.f.t.Context())
			if k, _ := a.f.provider.KeyOfSecret(secret); err != nil || k.ID != active[0].ID {
				a.complain("%s holds key %s of %s (%v), and the active one is %s", sink, k.ID, s.Name, err, active[0].ID)
			}
		}
	}
	for _, s := range a.f.services {
		names := map[string]string{}
		for _, k := range a.f.provider.Keys(s.UserID) {
			if other, twice := names[k.Name]; twice {
				a.complain("%s has two keys named %s, %s and %s: one create was sent twice", s.Name, k.Name, other, k.ID)
			}
			names[k.Name] = k.ID
		}
	}
	if found := a.f.leftovers(); len(found) > 0 {
		a.complain("files were left behind beside the keys: %v", found)
	}
}

// copyFile copies what is there now.
func copyFile(from, to string) error {
	content, err := os.ReadFile(from) // the test's own
	if err != nil {
		return err
	}
	return os.WriteFile(to, content, 0o600)
}

// openCopy copies the database and its write-ahead log, and opens the copy.
func openCopy(ctx context.Context, from, dir string) (*journal.Store, error) {
	to, err := copyJournal(from, dir)
	if err != nil {
		return nil, err
	}
	return journal.Open(ctx, to, journal.Options{})
}

func copyJournal(from, dir string) (string, error) {
	to := filepath.Join(dir, "copy.db")
	if err := copyFile(from, to); err != nil {
		return "", err
	}
	if err := copyFile(from+"-wal", to+"-wal"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	return to, nil
}
