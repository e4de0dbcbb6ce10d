package dataspot

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/rotatord/rotatord/providers/internal/rest"
	"github.com/rotatord/rotatord/rotator"
)

// Prepare implements [rotator.Preparer]: with [Options.CreateKeys] the throw-away user shows, once, what a write does.
func (p *Provider) Prepare(ctx context.Context) error {
	if p.options.CreateKeys == ByHand {
		return nil
	}
	_, err := p.prove(ctx)
	return err
}

// Mint implements [rotator.Provider], with [Options.CreateKeys], by one PATCH or PUT of the user. Before the first one the throw-away
// user has shown what a write does; before each the user is read, and nothing is written to a person or over a name that is taken.
func (p *Provider) Mint(ctx context.Context, req rotator.MintRequest) (rotator.Minted, error) {
	op := "create key of user " + req.UserID
	if err := p.checkMint(op, req); err != nil {
		return rotator.Minted{}, err
	}
	throwaway, err := p.prove(ctx)
	if err != nil {
		return rotator.Minted{}, err
	}
	if strings.EqualFold(throwaway, req.UserID) {
		return rotator.Minted{}, rotator.NewFault(op, rotator.Invalid, "this is the throw-away user, whose keys nobody must need; name another one, or exclude it in the policy")
	}
	target, err := p.target(ctx, req)
	if err != nil {
		return rotator.Minted{}, err
	}
	made, err := p.writeKey(ctx, target, req.Name, p.expiry.after(p.options.Clock.Now(), req.Lifetime))
	if err != nil && rotator.KindOf(err) == rotator.Transient {
		err = unwritten(err)
	}
	return made, err
}

func (p *Provider) checkMint(op string, req rotator.MintRequest) error {
	invalid := func(format string, args ...any) error { return rotator.NewFault(op, rotator.Invalid, format, args...) }
	if p.options.CreateKeys == ByHand {
		return invalid("keys of this provider are made by a person: create_keys is not set")
	}
	if err := checkID(op, req.UserID); err != nil {
		return err
	}
	if strings.TrimSpace(req.Name) == "" {
		return invalid("a key must have a name")
	}
	if req.Lifetime <= 0 {
		return invalid("every key has an expiry date, and the request has no lifetime: set lifetime in the policy")
	}
	if err := rotator.CheckName(req.Name, p.limits); err != nil {
		return invalid("%w", err)
	}
	return nil
}

// document is a user as it was read, with everything that the server says of it.
type document struct {
	wireUser
	raw map[string]json.RawMessage
}

// target reads the user that is to be written to.
func (p *Provider) target(ctx context.Context, req rotator.MintRequest) (*document, error) {
	d, err := p.document(ctx, req.UserID)
	if err != nil {
		return nil, unwritten(err)
	}
	if !d.ServiceUser {
		return nil, rotator.NewFault("PATCH "+p.at("users", d.ID), rotator.Invalid, "user %q is a person's and not a service user; nothing was written", d.LoginID)
	}
	if d.AccessKeys != nil && slices.ContainsFunc(*d.AccessKeys, func(k wireKey) bool { return k.Name == req.Name }) {
		return nil, rotator.NewFault("PATCH "+p.at("users", d.ID), rotator.Conflict, "user %q has a key named %q already; nothing was written", d.LoginID, req.Name)
	}
	return d, nil
}

// unwritten is the fault of a write that never left. It is Throttled where it may pass: that promises, as Transient does not for a
// write, that nothing was done, so nobody has to look for a key that no list shows.
func unwritten(err error) error {
	fault, ok := errors.AsType[*rotator.Fault](err)
	if !ok || fault.Kind != rotator.Transient && fault.Kind != rotator.UnknownOutcome {
		return err
	}
	return &rotator.Fault{Op: fault.Op, Kind: rotator.Throttled, RetryAfter: fault.RetryAfter, Err: fmt.Errorf("no key was asked for yet: %w", fault.Err)}
}

func (p *Provider) document(ctx context.Context, id string) (*document, error) {
	c := rest.Call{Name: "get_user", Method: http.MethodGet, Path: p.at("users", id)}
	d := &document{}
	if err := p.getObject(ctx, c, &d.raw); err != nil {
		return nil, err
	}
	body, err := json.Marshal(d.raw)
	if err == nil {
		err = json.Unmarshal(body, &d.wireUser)
	}
	if err != nil {
		return nil, rest.Unreadable(c.Op(), err)
	}
	if !strings.EqualFold(d.ID, id) {
		return nil, rotator.NewFault(c.Op(), rotator.Invalid, "%w: the answer is about user %q", rest.ErrShape, rest.OneLine(d.ID))
	}
	return d, nil
}

// writeKey adds one key to the user, in one request.
func (p *Provider) writeKey(ctx context.Context, d *document, name string, expires time.Time) (rotator.Minted, error) {
	wanted := wireNewKey{Name: name, DateExpires: expires.Format(time.RFC3339)}
	if p.options.ClientValues {
		wanted.Value = newValue()
	}
	c, err := p.keyCall(d, wanted)
	if err != nil {
		return rotator.Minted{}, rotator.NewFault("create key", rotator.Invalid, "the request cannot be written: %w", err)
	}
	defer clear(c.Body)
	ans, err := p.api.Write(ctx, c)
	if err != nil {
		return rotator.Minted{}, silent(err, wanted.Value)
	}
	defer func() { _ = ans.Body.Close() }()
	made, err := readMade(c.Op(), ans.Body, d.ID, wanted)
	if err == nil && made.Expires.IsZero() {
		made.Expires = expires
	}
	return made, err
}

// silent drops the words of a refusal that repeats the value that was sent, or the beginning of it.
func silent(err error, value string) error {
	const telling = 8 // characters that no text holds by chance
	fault, ok := errors.AsType[*rotator.Fault](err)
	if !ok || len(value) < telling || !strings.Contains(fault.Error(), value[:telling]) {
		return err
	}
	mute := *fault
	mute.Err = errors.New("the service does not accept the request, and its words hold the value of the key")
	return &mute
}

// keyCall is the request that asks for the key. A PUT repeats what was read, but for the links and the keys that were shown: those
// are without their values, and what was read masked is never written back.
func (p *Provider) keyCall(d *document, wanted wireNewKey) (c rest.Call, err error) {
	c = rest.Call{Name: "create_key", Method: http.MethodPatch, Path: p.at("users", d.ID), Shows: true}
	if p.options.CreateKeys == ByPatch {
		c.Body, err = json.Marshal(wireChange{Type: p.typeOf(&d.wireUser), AccessKeys: []wireNewKey{wanted}})
		return c, err
	}
	c.Method = http.MethodPut
	keys, err := json.Marshal([]wireNewKey{wanted})
	if err != nil {
		return c, err
	}
	whole := map[string]json.RawMessage{}
	for name, value := range d.raw {
		if name != "_links" && name != "_embedded" {
			whole[name] = value
		}
	}
	whole["accessKeys"] = keys
	c.Body, err = json.Marshal(whole)
	return c, err
}

// typeOf is the server's word for a user: what it says itself, else what the configuration says.
func (p *Provider) typeOf(u *wireUser) string {
	if u.Type != "" {
		return u.Type
	}
	return p.options.TypeName
}

// valueBytes is how many bytes a value has, as observed: 48, which are 64 characters of URL-safe Base64.
const valueBytes = 48

func newValue() string {
	var b [valueBytes]byte
	_, _ = rand.Read(b[:]) // crypto/rand.Read never fails: it ends the program instead
	defer clear(b[:])
	return base64.URLEncoding.EncodeToString(b[:])
}

// What is wrong with an answer that said success. Neither wraps what a decoder said, because decoders quote what they read.
var (
	errNoAnswer = errors.New("the service said that it made the key, and its answer could not be read")
	errNoValue  = errors.New("the service said that it made the key, and its answer does not hold the value")
)

// readMade takes the new key out of the answer. Its id may be missing there, its value only where it was sent.
func readMade(op string, r io.Reader, userID string, wanted wireNewKey) (rotator.Minted, error) {
	body, err := io.ReadAll(r)
	defer clear(body)
	var w wireWritten
	if err != nil || json.Unmarshal(body, &w) != nil {
		w.wipe()
		return rotator.Minted{}, &rotator.Fault{Op: op, Kind: rotator.UnknownOutcome, Err: errNoAnswer}
	}
	made := rotator.Minted{KeyID: keyID(userID, wanted.Name), Secret: rotator.SecretString(wanted.Value)}
	for i := range w.AccessKeys {
		k := &w.AccessKeys[i]
		if k.Name != wanted.Name {
			clear(k.Value)
			continue
		}
		if k.ID != "" {
			made.KeyID = k.ID
		}
		if rest.Sendable(k.Value) {
			made.Secret = rotator.NewSecret(k.Value)
		}
		made.Created, made.Expires = k.DateCreated.Time, k.DateExpires.Time
	}
	if made.Secret.Empty() {
		return rotator.Minted{}, &rotator.Fault{Op: op, Kind: rotator.UnknownOutcome, Err: errNoValue}
	}
	return made, nil
}

func (w *wireWritten) wipe() {
	for i := range w.AccessKeys {
		clear(w.AccessKeys[i].Value)
	}
}
