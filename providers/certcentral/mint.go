package certcentral

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/rotatord/rotatord/providers/internal/rest"
	"github.com/rotatord/rotatord/rotator"
)

// Mint implements [rotator.Provider] with POST /key/user/{user_id}, in one request. CertCentral sets no lifetime and says
// nothing of the date of creation, which the next scan brings.
func (p *Provider) Mint(ctx context.Context, req rotator.MintRequest) (rotator.Minted, error) {
	c := rest.Call{Name: "create_key", Method: http.MethodPost, Path: "/key/user/" + req.UserID, Shows: true}
	if _, ok := number(req.UserID); !ok {
		return rotator.Minted{}, rotator.NewFault("POST /key/user", rotator.Invalid, "%q is not the id of a CertCentral user", req.UserID)
	}
	if strings.TrimSpace(req.Name) == "" {
		return rotator.Minted{}, rotator.NewFault(c.Op(), rotator.Invalid, "a key must have a name")
	}
	if err := rotator.CheckName(req.Name, p.limits); err != nil {
		return rotator.Minted{}, &rotator.Fault{Op: c.Op(), Kind: rotator.Invalid, Err: err}
	}
	role, err := p.roleFor(req)
	if err != nil {
		return rotator.Minted{}, &rotator.Fault{Op: c.Op(), Kind: rotator.Invalid, Err: err}
	}
	body, err := json.Marshal(wireCreate{Name: req.Name, RestrictedTo: role})
	if err != nil {
		return rotator.Minted{}, rotator.NewFault(c.Op(), rotator.Invalid, "the request cannot be written: %w", err)
	}
	c.Body = body
	ans, err := p.client.Write(ctx, c)
	if err != nil {
		return rotator.Minted{}, err
	}
	defer func() { _ = ans.Body.Close() }()
	return readMinted(c, ans.Body)
}

// roleFor is the API access role of the new key: that of the key it replaces, else the configured one.
func (p *Provider) roleFor(req rotator.MintRequest) (*int, error) {
	if req.Restriction == "" {
		return p.options.RestrictedToRoleID, nil
	}
	role, err := strconv.Atoi(req.Restriction)
	if err != nil {
		return nil, fmt.Errorf("the key to replace is restricted to %q, which is not the id of an API access role", req.Restriction)
	}
	return &role, nil
}

// errNoKey is the cause of an unknown outcome after an answer that said success. It never wraps what a decoder said,
// because decoders quote what they read.
var errNoKey = errors.New("the service said that it made the key, and its answer could not be read")

func readMinted(c rest.Call, r io.Reader) (rotator.Minted, error) {
	body, err := io.ReadAll(r)
	defer clear(body)
	var made wireCreated
	if err != nil || json.Unmarshal(body, &made) != nil || made.ID <= 0 || !rest.Sendable(made.APIKey) {
		clear(made.APIKey)
		return rotator.Minted{}, &rotator.Fault{Op: c.Op(), Kind: rotator.UnknownOutcome, Err: errNoKey}
	}
	return rotator.Minted{KeyID: text(made.ID), Secret: rotator.NewSecret(made.APIKey)}, nil
}
