package digicertone

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/rotatord/rotatord/providers/internal/rest"
	"github.com/rotatord/rotatord/rotator"
)

// Mint implements [rotator.Provider]: POST /api-access-token, or in [RecreateMode] POST /user with what the predecessor has,
// in one request that changes something.
func (p *Provider) Mint(ctx context.Context, req rotator.MintRequest) (rotator.Minted, error) {
	if p.options.Mode == RecreateMode {
		return p.mintUser(ctx, req)
	}
	return p.mintToken(ctx, req)
}

func (p *Provider) mintToken(ctx context.Context, req rotator.MintRequest) (rotator.Minted, error) {
	c := rest.Call{Name: "create_token", Method: http.MethodPost, Path: tokens, Shows: true}
	if !validID(req.UserID) {
		return rotator.Minted{}, rotator.NewFault(c.Op(), rotator.Invalid, "%q is not the id of a DigiCert ONE user", req.UserID)
	}
	end, err := p.checkMint(c.Op(), req)
	if err != nil {
		return rotator.Minted{}, err
	}
	f := p.options.Fields
	c.Body, err = body(c.Op(), setting{f.TokenName, req.Name}, setting{f.TokenUserID, req.UserID}, endSetting(f.TokenEndDate, end))
	if err != nil {
		return rotator.Minted{}, err
	}
	made, err := p.create(ctx, c, creation{id: f.tokenID(), value: f.tokenValue(), end: f.tokenEndDate(), created: f.tokenCreated()})
	if err != nil {
		return rotator.Minted{}, err
	}
	return p.asAsked(ctx, made, end, f.tokenEndDate(), nil)
}

// checkMint holds a request against the rules, and returns the end of the new key; zero for none.
func (p *Provider) checkMint(op string, req rotator.MintRequest) (time.Time, error) {
	if err := p.checkName(op, req.Name); err != nil {
		return time.Time{}, err
	}
	end, err := endFor(p.options.Clock.Now(), req.Lifetime)
	if err != nil {
		return time.Time{}, &rotator.Fault{Op: op, Kind: rotator.Invalid, Err: err}
	}
	return end, nil
}

// setting is a field of a request.
type setting struct {
	path  string
	value any
}

// endSetting is an end date; without one the field is left out.
func endSetting(path string, end time.Time) setting {
	if end.IsZero() {
		return setting{}
	}
	return setting{path, endDate(end)}
}

// body writes a request of those settings that have a path.
func body(op string, settings ...setting) ([]byte, error) {
	o := object{}
	for _, s := range settings {
		if s.path == "" {
			continue
		}
		if err := o.set(s.path, s.value); err != nil {
			return nil, &rotator.Fault{Op: op, Kind: rotator.Invalid, Err: err}
		}
	}
	return encode(op, o)
}

func encode(op string, o object) ([]byte, error) {
	text, err := json.Marshal(o)
	if err != nil {
		return nil, rotator.NewFault(op, rotator.Invalid, "the request cannot be written: %w", err)
	}
	return text, nil
}

// creation says where the answer to a create call has what.
type creation struct{ id, value, end, created field }

// created is what the answer to a create call says.
type created struct {
	rotator.Minted
	op     string
	answer object // without the secret
}

// errNoKey is the cause of an unknown outcome after an answer that said success. It never wraps what a decoder said,
// because decoders quote what they read.
var errNoKey = errors.New("the service said that it made the key, and its answer could not be read")

// create makes the call that makes a key, and reads the secret from its answer. The text of the answer is wiped.
func (p *Provider) create(ctx context.Context, c rest.Call, f creation) (created, error) {
	ans, err := p.own.Write(ctx, c)
	if err != nil {
		return created{}, err
	}
	defer func() { _ = ans.Body.Close() }()
	text, err := io.ReadAll(ans.Body)
	defer clear(text)
	made := created{op: c.Op()}
	if err != nil || json.Unmarshal(text, &made.answer) != nil || made.answer == nil {
		return created{}, &rotator.Fault{Op: c.Op(), Kind: rotator.UnknownOutcome, Err: errNoKey}
	}
	raw, _ := made.answer.at(f.value.name)
	secret := secretOf(raw)
	clear(raw)
	made.answer.drop(f.value.name)
	r := &reader{o: made.answer, op: c.Op()}
	made.KeyID, made.Created, made.Expires = r.neededText(f.id), r.time(f.created), r.end(f.end)
	if r.err == nil && !validID(made.KeyID) {
		r.fail(f.id, "is no id")
	}
	if r.err == nil && secret == nil {
		r.fail(f.value, "is missing, or is no token")
	}
	if r.err != nil {
		clear(secret)
		return created{}, made.unusable(r.err)
	}
	made.Secret = rotator.NewSecret(secret)
	return made, nil
}

// secretOf reads a token's value; nil if it is none.
func secretOf(raw json.RawMessage) []byte {
	var secret rest.RawSecret
	if json.Unmarshal(raw, &secret) != nil || !rest.Sendable(secret) {
		clear(secret)
		return nil
	}
	return secret
}

// unusable is the fault of a key that was made and is not what is needed: it is looked up by its name and removed.
func (c created) unusable(why error) error {
	if fault, ok := errors.AsType[*rotator.Fault](why); ok {
		why = fault.Err
	}
	return rotator.NewFault(c.op, rotator.UnknownOutcome, "the service made a key that cannot be used: %w", why)
}

// asAsked returns a key that was made if it ends when it should and, as a user, may do what its predecessor may. Where the
// answer to the create call does not tell, the key is read back; where that fails, the answer has to do.
func (p *Provider) asAsked(ctx context.Context, made created, end time.Time, endField field, predecessor *user) (rotator.Minted, error) {
	o := made.answer
	if raw, ok := o.at(endField.name); !end.IsZero() && (!ok || isNull(raw)) {
		_, again, err := p.getKey(ctx, made.KeyID)
		if err != nil {
			return made.Minted, nil //nolint:nilerr // the key was made, and is not lost for a look at it that failed
		}
		o = again
	}
	r := &reader{o: o, op: made.op}
	if made.Expires = r.end(endField); !end.IsZero() && !made.Expires.Equal(end) {
		r.fail(endField, "is not %s, which was asked for", endDate(end))
	}
	if predecessor != nil {
		p.likePredecessor(r, *predecessor)
	}
	if r.err != nil {
		made.Secret.Wipe()
		return rotator.Minted{}, made.unusable(r.err)
	}
	return made.Minted, nil
}

// likePredecessor compares what the answer tells of a successor's rights.
func (p *Provider) likePredecessor(r *reader, was user) {
	f := p.options.Fields
	for _, right := range []struct {
		field field
		want  []string
	}{{f.userAccounts(), was.accounts}, {f.userManagers(), was.managers}, {f.userRoles(), was.roles}} {
		have, _ := r.ids(right.field)
		if len(have) > 0 && !slices.Equal(slices.Sorted(slices.Values(have)), slices.Sorted(slices.Values(right.want))) {
			r.fail(right.field, "differs from that of the user that is replaced")
		}
	}
}
