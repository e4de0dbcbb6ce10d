package dataspot

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/rotatord/rotatord/rotator"
)

// declared are the keys of the configuration by the user that they name, by id or by loginId.
type declared map[string][]DeclaredKey

func declare(keys []DeclaredKey) declared {
	d := declared{}
	for _, k := range keys {
		d[k.User] = append(d[k.User], k)
	}
	return d
}

func checkDeclared(keys []DeclaredKey) error {
	var mistakes []error
	seen := map[[2]string]bool{}
	for _, k := range keys {
		if k.User == "" || k.Name == "" {
			mistakes = append(mistakes, errors.New("a declared key needs its user and its name"))
		}
		if at := [2]string{k.User, k.Name}; seen[at] {
			mistakes = append(mistakes, fmt.Errorf("the key %q of %q is declared twice", k.Name, k.User))
		} else {
			seen[at] = true
		}
	}
	return errors.Join(mistakes...)
}

// of visits the declared keys of a user and returns the names by which they were declared.
func (d declared) of(u *wireUser, now time.Time, visit func(rotator.Key) error) ([]string, error) {
	var by []string
	seen := map[string]bool{} // one key may be declared under the id and under the loginId
	for _, name := range []string{u.ID, u.LoginID} {
		if len(d[name]) == 0 {
			continue
		}
		by = append(by, name)
		for _, k := range d[name] {
			if seen[k.Name] {
				continue
			}
			seen[k.Name] = true
			if err := visit(k.key(u.ID, now)); err != nil {
				return nil, err
			}
		}
	}
	return by, nil
}

func (k DeclaredKey) key(userID string, now time.Time) rotator.Key {
	return rotator.Key{ID: keyID(userID, k.Name), UserID: userID, Name: k.Name, Created: k.Created, Expires: k.Expires, State: state(k.Expires, now)}
}

// strangers are the users that keys name and that were not met, in order.
func (d declared) strangers(met map[string]bool) []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(d)), func(name string) bool { return met[name] })
}
