package bench

import (
	"context"
	"crypto/rand"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/rotatord/rotatord/rotator"
)

// fleet is a provider in memory whose calls cost next to nothing however many keys it has. It knows no faults.
type fleet struct {
	mu       sync.Mutex
	users    []string
	keysOf   map[string][]*rotator.Key
	byID     map[string]*rotator.Key
	bySecret map[string]*rotator.Key
}

// newFleet has so many users with one key each, all as old.
func newFleet(users int, created time.Time) *fleet {
	f := &fleet{keysOf: map[string][]*rotator.Key{}, byID: map[string]*rotator.Key{}, bySecret: map[string]*rotator.Key{}}
	for i := range users {
		id := strconv.Itoa(100_000 + i)
		f.users = append(f.users, id)
		f.add(rotator.Key{UserID: id, Name: "key", Created: created})
	}
	return f
}

func (f *fleet) add(k rotator.Key) *rotator.Key {
	k.ID, k.State = strconv.Itoa(len(f.byID)+700_000), rotator.KeyActive
	f.byID[k.ID] = &k
	f.keysOf[k.UserID] = append(f.keysOf[k.UserID], &k)
	return &k
}

// Limits implements [rotator.Provider].
func (f *fleet) Limits() rotator.Limits {
	return rotator.Limits{ReportsLastUse: true, Propagation: time.Minute}
}

// Scan implements [rotator.Provider].
func (f *fleet) Scan(_ context.Context, scope rotator.Scope, v rotator.Visitor) error {
	users := f.users
	if scope.UserID != "" {
		users = []string{scope.UserID}
	}
	for _, id := range users {
		if err := v.User(rotator.ServiceUser{ID: id, Name: "ci-" + id, Active: true}); err != nil {
			return err
		}
		for _, k := range f.keys(id) {
			if err := v.Key(k); err != nil {
				return err
			}
		}
	}
	return nil
}

func (f *fleet) keys(user string) []rotator.Key {
	f.mu.Lock()
	defer f.mu.Unlock()
	keys := make([]rotator.Key, 0, 2)
	for _, k := range f.keysOf[user] {
		keys = append(keys, *k)
	}
	return keys
}

// Mint implements [rotator.Provider].
func (f *fleet) Mint(_ context.Context, r rotator.MintRequest) (rotator.Minted, error) {
	secret := rand.Text()
	f.mu.Lock()
	defer f.mu.Unlock()
	k := f.add(rotator.Key{UserID: r.UserID, Name: r.Name, Created: time.Now()})
	f.bySecret[secret] = k
	return rotator.Minted{KeyID: k.ID, Secret: rotator.SecretString(secret), Created: k.Created}, nil
}

// Check implements [rotator.Provider].
func (f *fleet) Check(_ context.Context, user string, secret rotator.Secret) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	k, ok := f.bySecret[string(secret.Reveal())]
	if !ok || k.State != rotator.KeyActive || k.UserID != user {
		return rotator.NewFault("check", rotator.Denied, "the key is refused")
	}
	k.LastUsed = time.Now()
	return nil
}

// Retire implements [rotator.Provider].
func (f *fleet) Retire(_ context.Context, key rotator.Key) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.byID[key.ID].State = rotator.KeyRevoked
	return nil
}

// rotated reports how every user's keys differ from one that is revoked and one that replaces it.
func (f *fleet) rotated() error {
	for _, id := range f.users {
		keys := f.keys(id)
		if len(keys) != 2 || keys[0].State != rotator.KeyRevoked || keys[1].State != rotator.KeyActive {
			return fmt.Errorf("user %s has the keys %+v", id, keys)
		}
	}
	return nil
}
