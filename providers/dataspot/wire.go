package dataspot

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/rotatord/rotatord/providers/internal/rest"
	"github.com/rotatord/rotatord/rotator"
)

// wireUser is what is used of a user (schema User of the specification).
type wireUser struct {
	Type         string     `json:"_type"`
	ID           string     `json:"id"`
	LoginID      string     `json:"loginId"`
	Name         string     `json:"name"`
	AccessLevel  string     `json:"accessLevel"`
	ServiceUser  bool       `json:"serviceUser"`
	IsPerson     string     `json:"isPerson"`
	TenantID     string     `json:"tenantId"`
	DateCreated  wireTime   `json:"dateCreated"`
	DateModified wireTime   `json:"dateModified"`
	AccessKeys   *[]wireKey `json:"accessKeys"` // nil where the server does not show them
}

// serviceUser: the server knows no user that cannot sign in but one that was deleted.
func (u *wireUser) serviceUser() rotator.ServiceUser {
	return rotator.ServiceUser{ID: u.ID, Name: u.Name, Login: u.LoginID, Active: true}
}

// wireKey is what is used of a key where keys are listed (schema AccessKey). Its value is not.
type wireKey struct {
	ID          string   `json:"id"`
	Name        string   `json:"name"`
	DateCreated wireTime `json:"dateCreated"`
	DateExpires wireTime `json:"dateExpires"`
}

// key fails without an expiry, which every key has: a deadline must not be lost.
func (k *wireKey) key(userID string, now time.Time) (rotator.Key, error) {
	if k.Name == "" {
		return rotator.Key{}, fmt.Errorf("%w: a key of user %s without a name", rest.ErrShape, userID)
	}
	if k.DateExpires.IsZero() {
		return rotator.Key{}, fmt.Errorf("%w: key %q of user %s without dateExpires", rest.ErrShape, rest.OneLine(k.Name), userID)
	}
	id := k.ID
	if id == "" {
		id = keyID(userID, k.Name)
	}
	return rotator.Key{
		ID: id, UserID: userID, Name: k.Name, Created: k.DateCreated.Time, Expires: k.DateExpires.Time, State: state(k.DateExpires.Time, now),
	}, nil
}

// state: a key that has expired is refused and cannot be brought back.
func state(expires, now time.Time) rotator.KeyState {
	if !expires.IsZero() && !now.Before(expires) {
		return rotator.KeyExpired
	}
	return rotator.KeyActive
}

// keyID is the id of a key that the server gave none or does not show: names are unique within a user (manual, ServiceUser).
func keyID(userID, name string) string { return "declared:" + userID + "/" + name }

// wireTime is a time in the forms in which the server has been seen to write it: a text, as specified, or milliseconds since 1970.
// Null and the empty text are the zero time.
type wireTime struct{ time.Time }

// layouts are tried in turn. A time without a zone is taken as UTC, a day as its beginning: both inferred, and early for a deadline.
var layouts = []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999Z0700", "2006-01-02T15:04:05.999999999", time.DateOnly}

// lastMilli is the end of the year 9999, beyond which no time can be written as text.
const lastMilli = 253402300799999

// UnmarshalJSON implements json.Unmarshaler.
func (t *wireTime) UnmarshalJSON(raw []byte) error {
	*t = wireTime{}
	text := string(raw)
	if text == "null" || text == `""` {
		return nil
	}
	if strings.HasPrefix(text, `"`) {
		if err := json.Unmarshal(raw, &text); err != nil {
			return err
		}
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		if n <= 0 || n > lastMilli {
			return fmt.Errorf("%w: %d is no date in milliseconds", rest.ErrShape, n)
		}
		t.Time = time.UnixMilli(n).UTC()
		return nil
	}
	for _, layout := range layouts {
		if at, err := time.Parse(layout, text); err == nil && at.Year() > 0 && at.Year() < 10000 && !at.IsZero() {
			t.Time = at.UTC()
			return nil
		}
	}
	return fmt.Errorf("%w: %q is no date in a known form", rest.ErrShape, rest.OneLine(text))
}

// wireNewKey asks for a key.
type wireNewKey struct {
	Name        string `json:"name"`
	DateExpires string `json:"dateExpires"`
	Value       string `json:"value,omitempty"`
}

// wireMade is a key as the answer to its creation shows it: the one place where its value is.
type wireMade struct {
	ID          string         `json:"id"`
	Name        string         `json:"name"`
	DateCreated wireTime       `json:"dateCreated"`
	DateExpires wireTime       `json:"dateExpires"`
	Value       rest.RawSecret `json:"value"`
}

type wireWritten struct {
	ID         string     `json:"id"`
	AccessKeys []wireMade `json:"accessKeys"`
}

// wireNewUser asks for a service user.
type wireNewUser struct {
	Type        string `json:"_type"`
	LoginID     string `json:"loginId"`
	Name        string `json:"name"`
	AccessLevel string `json:"accessLevel"`
	ServiceUser bool   `json:"serviceUser"`
}

// wireChange changes what is set of a user.
type wireChange struct {
	Type        string       `json:"_type"`
	Name        string       `json:"name,omitempty"`
	AccessLevel string       `json:"accessLevel,omitempty"`
	AccessKeys  []wireNewKey `json:"accessKeys,omitempty"`
}
