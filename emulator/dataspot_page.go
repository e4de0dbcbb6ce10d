package emulator

import (
	"errors"
	"fmt"
	"time"
)

// DataspotPageKey is what the page shows of a key.
type DataspotPageKey struct {
	Name    string    `json:"name"`
	Hint    string    `json:"hint"`
	Expires time.Time `json:"expires"`
}

// MakeKeyInPage does what a person does who generates a key for a service user, which is named by its login or its id, and copies
// the value: it is shown once. The rules are the page's: a name that the user has not used, and a date in the future.
func (s *Dataspot) MakeKeyInPage(tenant, user, name string, expires time.Time) (value string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u, err := s.onPage(tenant, user)
	if err != nil {
		return "", err
	}
	if err = s.mayHave(u, name, expires); err == nil && !expires.After(s.options.Now()) {
		err = errors.New("the expiry date must lie in the future")
	}
	if err != nil {
		return "", fmt.Errorf("the page refuses the key %q for the user %q: %w", name, user, err)
	}
	value = dsSecret()
	s.mintFor(u.number, dsKey{name: name, expires: nanos(expires)}, value)
	return value, nil
}

// RemoveKeyInPage does what a person does who deletes a key.
func (s *Dataspot) RemoveKeyInPage(tenant, user, name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	u, err := s.onPage(tenant, user)
	if err != nil {
		return err
	}
	for _, k := range s.keysOf(u) {
		if k.name == name {
			s.removeKey(k)
			return nil
		}
	}
	return fmt.Errorf("the page shows no key %q of the user %q", name, user)
}

// ListKeysInPage shows what a person sees of a service user's keys, in the order in which they were made.
func (s *Dataspot) ListKeysInPage(tenant, user string) ([]DataspotPageKey, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u, err := s.onPage(tenant, user)
	if err != nil {
		return nil, err
	}
	list := []DataspotPageKey{}
	for _, k := range s.keysOf(u) {
		list = append(list, DataspotPageKey{Name: k.name, Hint: k.hint, Expires: moment(k.expires)})
	}
	return list, nil
}

// onPage finds the user whose keys a person manages.
func (s *Dataspot) onPage(tenant, user string) (*dsUser, error) {
	t := s.tenantNamed(tenant)
	if t < 0 {
		return nil, fmt.Errorf("there is no tenant %q", tenant)
	}
	u := s.userNamed(t, user)
	if u == nil {
		return nil, fmt.Errorf("the tenant %q has no user %q", tenant, user)
	}
	return u, nil
}
