package certcentral

import (
	"fmt"
	"strconv"
	"time"

	"github.com/rotatord/rotatord/providers/internal/rest"
	"github.com/rotatord/rotatord/rotator"
)

// The structs in this file name only what is used: a scan decodes hundreds of thousands of them.

// wirePage is how a paged list says where it stands.
type wirePage struct {
	Total  int `json:"total"`
	Limit  int `json:"limit"`
	Offset int `json:"offset"`
}

// wireUser is what a scan needs of a user.
type wireUser struct {
	ID       int64  `json:"id"`
	Username string `json:"username"`
	Email    string `json:"email"`
	Status   string `json:"status"`
}

// serviceUser takes the username as the name: it is unique, which the names "Service" and "User-2" that the service gives
// its service users are not.
func (u *wireUser) serviceUser() rotator.ServiceUser {
	return rotator.ServiceUser{ID: text(u.ID), Name: u.Username, Email: u.Email, Active: u.Status == "active"}
}

func (u *wireUser) id() int64 { return u.ID }

// wireKey is what a scan needs of a key.
type wireKey struct {
	ID   int64 `json:"id"`
	User struct {
		ID int64 `json:"id"`
	} `json:"user"`
	Status     string `json:"status"`
	Name       string `json:"name"`
	CreateDate string `json:"create_date"`
	LastUsed   string `json:"last_used_date"`
	ACME       string `json:"acme_directory_url"`
	Restricted int    `json:"restricted_to_role_id"`
}

// key fails on a date that cannot be read. To leave it out instead would say "never used" of a key in use, or would take
// the deadline from a key that has one.
func (k *wireKey) key() (rotator.Key, error) {
	if k.ID == 0 {
		return rotator.Key{}, fmt.Errorf("%w: a key without an id", rest.ErrShape)
	}
	created, err := parseDate(k.CreateDate)
	if err != nil {
		return rotator.Key{}, fmt.Errorf("%w: create_date of key %d: %w", rest.ErrShape, k.ID, err)
	}
	used, err := parseDate(k.LastUsed)
	if err != nil {
		return rotator.Key{}, fmt.Errorf("%w: last_used_date of key %d: %w", rest.ErrShape, k.ID, err)
	}
	key := rotator.Key{ID: text(k.ID), Name: k.Name, Created: created, LastUsed: used, State: k.state()}
	if k.Restricted != 0 {
		key.Restriction = strconv.Itoa(k.Restricted)
	}
	if k.User.ID != 0 {
		key.UserID = text(k.User.ID)
	}
	return key, nil
}

// state reads the status word. An ACME directory address is listed among the keys but cannot be made as one, so it must
// not be rotated as one.
func (k *wireKey) state() rotator.KeyState {
	switch {
	case k.Status == "revoked":
		return rotator.KeyRevoked
	case k.ACME != "":
		return rotator.KeyOther
	case k.Status == "active":
		return rotator.KeyActive
	case k.Status == "inactive" || k.Status == "deactivated":
		// Words of the console and of a sibling API; this API documents active and revoked.
		return rotator.KeyDisabled
	default:
		return rotator.KeyOther
	}
}

// parseDate reads the forms in which the service has been seen to write times, all UTC. An empty text is the zero time.
func parseDate(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t, err = time.Parse(time.DateTime, text)
	}
	if err != nil || t.IsZero() { // a zero time would come to mean "never"
		return time.Time{}, fmt.Errorf("%q is no date in a known form", rest.OneLine(text))
	}
	return t.UTC(), nil
}

// wireCreated is the one answer in which a key's value is seen.
type wireCreated struct {
	ID     int64          `json:"id"`
	APIKey rest.RawSecret `json:"api_key"`
}

type wireCreate struct {
	Name         string `json:"name"`
	RestrictedTo *int   `json:"restricted_to_role_id,omitempty"`
}

type wireStatus struct {
	Status string `json:"status"`
}

// text writes an id as this package gives it out.
func text(id int64) string { return strconv.FormatInt(id, 10) }

// number reads an id that this package gave out as text.
func number(id string) (int64, bool) {
	n, err := strconv.ParseInt(id, 10, 64)
	return n, err == nil && n > 0 && strconv.FormatInt(n, 10) == id
}
