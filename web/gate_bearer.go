package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/rotatord/rotatord/web/bearer"
)

// verifyTime bounds how long a request waits for the issuer.
const verifyTime = 10 * time.Second

// bearerToken returns the token that the request carries, whatever the case in which the scheme is written.
func bearerToken(r *http.Request) (string, bool) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	return strings.TrimSpace(token), strings.EqualFold(scheme, "Bearer")
}

// tokened judges a request with a token. A token that is bad is refused even where a certificate would let the request pass:
// who sends one means to be known by it.
func (g *gate) tokened(r *http.Request, c caller, token string) (caller, *denial) {
	ctx, cancel := context.WithTimeout(r.Context(), verifyTime)
	defer cancel()
	who, err := g.bearer.Verify(ctx, token)
	switch {
	case errors.Is(err, bearer.ErrUnavailable) || ctx.Err() != nil:
		return c, &denial{status: http.StatusServiceUnavailable,
			why: "the issuer of server.oidc cannot be asked for its keys, so nobody can sign in with a token until it can; client certificates still work. " +
				"Check that this machine reaches the issuer"}
	case err != nil:
		return c, &denial{status: http.StatusUnauthorized, challenge: `Bearer realm="rotatord", error="invalid_token"`,
			why: fmt.Sprintf("%v; sign in at the issuer again and send the new token", err)}
	}
	c.name, c.token = strings.Map(printable, who.Name), &who
	switch {
	case reads(r) && !who.Reads:
		return c, deny("%q is in no group of server.oidc.viewers or server.oidc.operators, so nothing is shown", c.name)
	case !reads(r) && !who.Acts:
		return c, deny("%q is in no group of server.oidc.operators, so acting is refused", c.name)
	}
	return c, nil
}

// tokensReach refuses a web config file that asks for passwords where tokens are to be taken: both stand in the same header, and
// whoever sends a token would be refused for lack of a password.
func tokensReach(file string) error {
	if file == "" {
		return nil
	}
	content, err := os.ReadFile(file) //nolint:gosec // the path is the operator's own
	if err != nil {
		return fmt.Errorf("web_config_file %s cannot be used: %w", file, err)
	}
	var a authentication
	if err := yaml.Unmarshal(content, &a); err != nil {
		return fmt.Errorf("web_config_file %s cannot be used: %w", file, err)
	}
	if len(a.Users) > 0 {
		return fmt.Errorf("web_config_file %s lists basic_auth_users, and server.oidc is set; a request can carry a password or a token, not both: "+
			"take the users out and give programs client certificates, or take server.oidc out", file)
	}
	return nil
}
