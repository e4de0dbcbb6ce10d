// Package transit has seal keys wrapped by the transit engine of a server behind the HashiCorp Vault API. The key that wraps
// never leaves the server; the key that is wrapped is drawn there, kept in memory here, and stored by the caller in its
// wrapped form alone.
package transit

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/hashicorp/vault/api"

	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/rotator/seal"
	"github.com/rotatord/rotatord/sinks/pathtemplate"
	"github.com/rotatord/rotatord/sinks/vault/session"
)

// Options say which key wraps, and where.
type Options struct {
	session.Options
	// Mount is the path of the transit engine; "transit" when empty.
	Mount string
	// Key is the name of the key in the engine. It is never created here.
	Key string
}

// Transit wraps and unwraps. Make one with [New].
type Transit struct {
	mount, key string
	session    *session.Session
}

// New makes a Transit. It reads the certificates and sends nothing.
func New(o Options) (*Transit, error) {
	o.Mount = strings.Trim(o.Mount, "/")
	if o.Mount == "" {
		o.Mount = "transit"
	}
	login, err := session.New(o.Options)
	err = errors.Join(err, pathtemplate.Check(o.Mount), pathtemplate.Check(o.Key))
	if err == nil && strings.Contains(o.Key, "/") {
		err = fmt.Errorf("key %q: is the name of a key, without a slash", o.Key)
	}
	if err != nil {
		return nil, fmt.Errorf("vault_transit: %w", err)
	}
	return &Transit{mount: o.Mount, key: o.Key, session: login}, nil
}

// String names the wrapping key.
func (t *Transit) String() string { return t.mount + "/keys/" + t.key }

// Draw has the server draw a new seal key and returns it, and the same key wrapped.
// (https://developer.hashicorp.com/vault/api-docs/secret/transit, "Generate data key")
func (t *Transit) Draw(ctx context.Context) (key rotator.Secret, wrapped string, err error) {
	answer, err := t.ask(ctx, "datakey/plaintext", map[string]any{"bits": seal.KeySize * 8})
	if err != nil {
		return rotator.Secret{}, "", err
	}
	wrapped, err = text(answer, "ciphertext")
	if err == nil {
		key, err = plain(answer)
	}
	return key, wrapped, t.odd("datakey", err)
}

// Unwrap returns a key that [Transit.Draw] made. One that the wrapping key did not wrap is a fault of kind [rotator.Invalid].
// ("Decrypt data")
func (t *Transit) Unwrap(ctx context.Context, wrapped string) (rotator.Secret, error) {
	answer, err := t.ask(ctx, "decrypt", map[string]any{"ciphertext": wrapped})
	if err != nil {
		return rotator.Secret{}, err
	}
	key, err := plain(answer)
	return key, t.odd("decrypt", err)
}

// Stale reports whether the wrapping key was rotated since it wrapped: the server would wrap with a newer version now.
// ("Rewrap data": the version stands in front of the ciphertext)
func (t *Transit) Stale(ctx context.Context, wrapped string) (bool, error) {
	answer, err := t.ask(ctx, "rewrap", map[string]any{"ciphertext": wrapped})
	if err != nil {
		return false, err
	}
	again, err := text(answer, "ciphertext")
	return err == nil && version(again) != version(wrapped), t.odd("rewrap", err)
}

// version is the part of vault:v1:… in the middle.
func version(wrapped string) string {
	parts := strings.SplitN(wrapped, ":", 3)
	if len(parts) != 3 {
		return ""
	}
	return parts[1]
}

func (t *Transit) ask(ctx context.Context, what string, body map[string]any) (answer *api.Secret, err error) {
	path := t.mount + "/" + what + "/" + t.key
	err = t.session.Call(ctx, what, func(c *api.Client) error {
		answer, err = c.Logical().WriteWithContext(ctx, path, body)
		return session.Classify(path, err)
	})
	return answer, err
}

// odd is the fault for an answer that is not one of the transit engine.
func (t *Transit) odd(what string, err error) error {
	if err == nil {
		return nil
	}
	return rotator.NewFault(t.mount+"/"+what+"/"+t.key, rotator.Invalid, "%w; check address and mount", err)
}

func text(answer *api.Secret, field string) (string, error) {
	if answer != nil {
		if value, ok := answer.Data[field].(string); ok && value != "" {
			return value, nil
		}
	}
	return "", fmt.Errorf("the answer has no %s", field)
}

// plain reads the key out of an answer. The copies that the decoder of the answer made are beyond reach.
func plain(answer *api.Secret) (rotator.Secret, error) {
	encoded, err := text(answer, "plaintext")
	if err != nil {
		return rotator.Secret{}, err
	}
	delete(answer.Data, "plaintext")
	key, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil || len(key) != seal.KeySize {
		return rotator.Secret{}, fmt.Errorf("the key in the answer is not %d bytes in base64", seal.KeySize)
	}
	return rotator.NewSecret(key), nil
}
