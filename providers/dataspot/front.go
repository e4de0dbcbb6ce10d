package dataspot

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/rotatord/rotatord/rotator"
)

// Front is the authentication that stands before the server, beside the access key. At most one kind is set; the zero value is none.
type Front struct {
	Basic  *Basic
	OAuth2 *OAuth2
}

// Basic is HTTP basic authentication.
type Basic struct {
	User string
	// Password is read for each call, so that a new one is picked up.
	Password func() (rotator.Secret, error)
}

func (f Front) set() bool { return f.Basic != nil || f.OAuth2 != nil }

func (f Front) check() error {
	switch {
	case f.Basic != nil && f.OAuth2 != nil:
		return errors.New("the authentication in front is either basic or OAuth2, not both")
	case f.Basic != nil && (f.Basic.User == "" || f.Basic.Password == nil):
		return errors.New("basic authentication in front takes a user and a password")
	case f.OAuth2 != nil:
		return f.OAuth2.check()
	default:
		return nil
	}
}

// errFront is matched by the faults of calls that the authentication in front kept from leaving: they say nothing of any access key.
var errFront = errors.New("the authentication in front of the server is not to be had")

// front puts the authentication on requests.
type front struct {
	basic  *Basic
	tokens *tokens // nil without OAuth2
}

func newFront(o Options) *front {
	f := &front{basic: o.Front.Basic}
	if o.Front.OAuth2 != nil {
		f.tokens = newTokens(o)
	}
	return f
}

func (f *front) set() bool { return f.basic != nil || f.tokens != nil }

func (f *front) authorize(req *http.Request) error {
	switch {
	case f.basic != nil:
		password, err := f.basic.Password()
		if err != nil {
			return &rotator.Fault{Op: "authorize", Kind: rotator.Transient, Err: fmt.Errorf("%w: its password cannot be read: %w", errFront, err)}
		}
		req.SetBasicAuth(f.basic.User, string(password.Reveal()))
	case f.tokens != nil:
		token, err := f.tokens.get(req.Context())
		if err != nil {
			return err
		}
		req.Header.Set("Authorization", "Bearer "+string(token.Reveal()))
	}
	return nil
}

// token returns the token in use; an empty one if there is none.
func (f *front) token() rotator.Secret {
	if f.tokens == nil {
		return rotator.Secret{}
	}
	return f.tokens.inUse()
}

// drop forgets the token that a call was refused with and reports whether another may do better.
func (f *front) drop(token rotator.Secret) bool {
	if f.tokens == nil || token.Empty() {
		return false
	}
	f.tokens.drop(token)
	return true
}
