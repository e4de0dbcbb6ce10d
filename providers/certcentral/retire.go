package certcentral

import (
	"context"
	"net/http"

	"github.com/rotatord/rotatord/providers/internal/rest"
	"github.com/rotatord/rotatord/rotator"
)

// Retire implements [rotator.Provider]: it sets the key's status to revoked. The service has no call that deletes a key.
// A key that it does not know (any more) counts as gone, but only if the service itself says so: not on a 404 from
// something else at a mistyped address.
func (p *Provider) Retire(ctx context.Context, key rotator.Key) error {
	if _, ok := number(key.ID); !ok {
		return rotator.NewFault("PUT /key/status", rotator.Invalid, "%q is not the id of a CertCentral key", key.ID)
	}
	err := p.put(ctx, "set_key_status", "/key/"+key.ID+"/status", wireStatus{Status: "revoked"})
	if err == nil {
		return nil
	}
	switch rotator.KindOf(err) {
	case rotator.Gone:
		return nil
	case rotator.Invalid, rotator.Conflict:
		// What the service says to a second revocation is not documented. Ask whether there is anything left to do.
		if now, getErr := p.GetKey(ctx, key.ID); getErr == nil && now.State == rotator.KeyRevoked {
			return nil
		}
	default:
	}
	return err
}

// GetKey returns one key, without its secret, which the service never shows again.
func (p *Provider) GetKey(ctx context.Context, id string) (rotator.Key, error) {
	c := rest.Call{Name: "get_key", Method: http.MethodGet, Path: "/key/" + id}
	if _, ok := number(id); !ok {
		return rotator.Key{}, rotator.NewFault("GET /key", rotator.Invalid, "%q is not the id of a CertCentral key", id)
	}
	var k wireKey
	if err := p.client.GetObject(ctx, c, &k); err != nil {
		return rotator.Key{}, err
	}
	key, err := k.key()
	if err != nil {
		return rotator.Key{}, rotator.NewFault(c.Op(), rotator.Invalid, "%w", err)
	}
	return key, nil
}
