package web

import (
	"context"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"

	"github.com/rotatord/rotatord/web/bearer"
)

// Allow says who may read and who may act, by the names that were authenticated: a basic-auth user, or the common name
// (or the first alternative name) of a client certificate. "*" is everybody who was authenticated.
type Allow struct {
	Read, Act []string
}

// everybody is the rule where none is given.
func everybody() Allow { return Allow{Read: []string{"*"}, Act: []string{"*"}} }

// gate decides who may pass.
type gate struct {
	webConfig string
	allow     func() Allow
	// bearer verifies tokens; nil if none are taken.
	bearer Bearer
}

// Bearer tells who a token is from. A [bearer.Verifier] is one.
type Bearer interface {
	// Verify fails with an error that wraps [bearer.ErrUnavailable] if it cannot know.
	Verify(ctx context.Context, token string) (bearer.Caller, error)
}

// caller is who made a request.
type caller struct {
	// name was authenticated; empty if nobody was.
	name string
	// address is where the request came from.
	address string
	// token is who a bearer token was made for; nil if none was sent. It brings its own permissions.
	token *bearer.Caller
}

type contextKey int

const (
	keyListener contextKey = iota
	keyCaller
	// keyStopping leads to the channel that is closed when the server stops.
	keyStopping
)

// receivedOn notes the address of the listener that a request arrives at.
func receivedOn(ctx context.Context, at net.Addr) context.Context {
	return context.WithValue(ctx, keyListener, at)
}

// listensLocally reports whether only this machine can reach the listener that the request arrived at.
func listensLocally(ctx context.Context) bool {
	switch at := ctx.Value(keyListener).(type) {
	case *net.TCPAddr:
		return at.IP.IsLoopback()
	case *net.UnixAddr:
		return true
	default:
		return false
	}
}

// callerOf returns who made the request that ctx belongs to.
func callerOf(ctx context.Context) caller {
	c, _ := ctx.Value(keyCaller).(caller)
	return c
}

// actor is the name that the journal keeps for an action. claimed is what the request itself says, which proves nothing
// and is marked so; an authenticated name always wins over it.
func (c caller) actor(claimed string) string {
	claimed = strings.TrimSpace(strings.Map(printable, claimed))
	switch {
	case c.name != "":
		return c.name
	case claimed != "":
		return "unverified:" + claimed
	default:
		return c.address
	}
}

// oneLine makes what somebody wrote fit for a line of a log, a page or a terminal. A break becomes a blank.
func oneLine(text string) string {
	return strings.Map(printable, strings.Join(strings.Fields(text), " "))
}

// printable keeps line breaks and terminal commands out of logs.
func printable(r rune) rune {
	if r == utf8.RuneError || !unicode.IsPrint(r) {
		return -1
	}
	return r
}

// denial is an answer to somebody who may not pass.
type denial struct {
	status int
	why    string
	// challenge says how to authenticate; empty for nothing.
	challenge string
}

func deny(format string, args ...any) *denial {
	return &denial{status: http.StatusForbidden, why: fmt.Sprintf(format, args...)}
}

// guard lets through who may pass and tells the others why they may not.
func (g *gate) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, no := g.admit(r)
		if no != nil {
			if no.challenge != "" {
				w.Header().Set("WWW-Authenticate", no.challenge)
			}
			refuse(w, r, no.status, no.why)
			return
		}
		ctx, done := bounded(r)
		defer done()
		next.ServeHTTP(w, r.WithContext(context.WithValue(ctx, keyCaller, c)))
	})
}

// admit says who made the request, or why it is refused.
func (g *gate) admit(r *http.Request) (caller, *denial) {
	c := caller{address: r.RemoteAddr}
	if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		c.address = host
	}
	asks, err := g.authentication()
	if err != nil {
		return c, &denial{status: http.StatusInternalServerError,
			why: "web_config_file cannot be read, so nobody can be told apart; the daemon's log says what is wrong with it"}
	}
	if token, sent := bearerToken(r); sent && g.bearer != nil && !isProbe(r) {
		return g.tokened(r, c, token)
	}
	c.name = asks.nameOf(r)
	if !asks.any() && g.bearer == nil && c.name == "" {
		return c, g.anonymous(r)
	}
	return c, g.named(r, c)
}

// anonymous judges a request where nobody has to say who they are.
func (g *gate) anonymous(r *http.Request) *denial {
	local := listensLocally(r.Context())
	if local && !namesThisMachine(r) {
		return deny("the Host header is %q, and without authentication only localhost, 127.0.0.1 and [::1] are answered, "+
			"so that no web page can reach this daemon under a name of its own; use one of them, or set server.web_config_file", r.Host)
	}
	if reads(r) || local {
		return nil
	}
	return deny("rotatord listens on the network and has no authentication, so nobody may act through it; " +
		"set server.web_config_file with basic_auth_users or client certificates, or listen on 127.0.0.1 and run the command on this machine")
}

// named judges a request where callers have to be known.
func (g *gate) named(r *http.Request, c caller) *denial {
	if isProbe(r) {
		return nil
	}
	if c.name == "" && g.bearer != nil {
		return &denial{status: http.StatusUnauthorized, challenge: `Bearer realm="rotatord"`, why: "nobody was authenticated; sign in at the issuer of " +
			"server.oidc and send its token in the header Authorization: Bearer TOKEN, or send a client certificate that web_config_file accepts"}
	}
	if c.name == "" {
		return deny("nobody was authenticated; send a client certificate that web_config_file accepts, or a user name and password")
	}
	rule := everybody()
	if g.allow != nil {
		rule = g.allow()
	}
	if reads(r) && !allows(rule.Read, c.name) {
		return deny("%q may not read here; add the name to server.allow.read", c.name)
	}
	if !reads(r) && !allows(rule.Act, c.name) {
		return deny("%q may not act here; add the name to server.allow.act", c.name)
	}
	return nil
}

func allows(names []string, name string) bool {
	return slices.Contains(names, "*") || slices.Contains(names, name)
}

// reads reports whether the request changes nothing.
func reads(r *http.Request) bool { return r.Method == http.MethodGet || r.Method == http.MethodHead }

// isProbe reports whether the request only asks whether the daemon is well, which tells nobody anything.
func isProbe(r *http.Request) bool {
	return reads(r) && (r.URL.Path == pathHealthy || r.URL.Path == pathReady)
}

// namesThisMachine guards against DNS rebinding. A listener on a Unix socket is out of a browser's reach.
func namesThisMachine(r *http.Request) bool {
	if _, unix := r.Context().Value(keyListener).(*net.UnixAddr); unix {
		return true
	}
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.Trim(host, "[]")
	return strings.EqualFold(host, "localhost") || host == "127.0.0.1" || host == "::1"
}

// authentication is what the web config file asks of callers.
type authentication struct {
	Users map[string]string `yaml:"basic_auth_users"`
	TLS   struct {
		Cert       string `yaml:"cert"`
		CertFile   string `yaml:"cert_file"`
		ClientAuth string `yaml:"client_auth_type"`
		MinVersion string `yaml:"min_version"`
	} `yaml:"tls_server_config"`
}

// authentication reads the file. The toolkit reads it for each request too: users that are taken out of it must not be
// believed a moment longer, because from then on nobody checks their passwords.
func (g *gate) authentication() (authentication, error) {
	var a authentication
	if g.webConfig == "" {
		return a, nil
	}
	content, err := os.ReadFile(g.webConfig)
	if err != nil {
		return a, err
	}
	return a, yaml.Unmarshal(content, &a)
}

// any reports whether callers are asked who they are.
func (a authentication) any() bool {
	return len(a.Users) > 0 || a.TLS.ClientAuth == "VerifyClientCertIfGiven" || a.TLS.ClientAuth == "RequireAndVerifyClientCert"
}

// nameOf returns who was authenticated, or "". A password was checked before the request came here, but only if the file
// lists users; a certificate counts only if it was verified.
func (a authentication) nameOf(r *http.Request) string {
	if user, _, ok := r.BasicAuth(); ok {
		if _, listed := a.Users[user]; listed {
			return user
		}
	}
	if r.TLS != nil && len(r.TLS.VerifiedChains) > 0 {
		return certificateName(r.TLS.VerifiedChains[0][0])
	}
	return ""
}

// certificateName is the common name, or where a certificate has none, as is usual for workloads, its first other name.
func certificateName(c *x509.Certificate) string {
	switch {
	case c.Subject.CommonName != "":
		return c.Subject.CommonName
	case len(c.URIs) > 0:
		return c.URIs[0].String()
	case len(c.DNSNames) > 0:
		return c.DNSNames[0]
	case len(c.EmailAddresses) > 0:
		return c.EmailAddresses[0]
	default:
		return ""
	}
}
