package digicertone

import (
	"net/http"
	"strings"
	"time"
	"unicode"

	"github.com/rotatord/rotatord/providers/internal/rest"
	"github.com/rotatord/rotatord/rotator"
)

// header carries the token, as the API's own reference page documents.
const header = "X-Api-Key"

// Provider is one instance of DigiCert ONE as one credential sees it. Besides [rotator.Provider] it has what a key that ends
// and can be switched off allows for.
type Provider struct {
	options Options
	own     *rest.Client // with the daemon's credential
	probes  *rest.Client // with the key that is to be proved, and nothing else
	limits  rotator.Limits
}

var (
	_ rotator.Provider    = (*Provider)(nil)
	_ rotator.Preflighter = (*Provider)(nil)
	_ rotator.Disabler    = (*Provider)(nil)
	_ rotator.Extender    = (*Provider)(nil)
	_ rotator.SelfAware   = (*Provider)(nil)
	_ rotator.Directory   = (*Provider)(nil)

	_ rotator.UserIdentifier = (*Provider)(nil)
	_ rotator.Timekeeper     = (*Provider)(nil)
)

// New returns a provider, or an error that names every option that makes no sense. It makes no call and reads neither key
// nor certificate.
func New(o Options) (*Provider, error) {
	o = o.withDefaults()
	base, err := o.check()
	if err != nil {
		return nil, err
	}
	p := &Provider{options: o, limits: o.limits()}
	common := rest.Options{
		Base: withoutCertificate(base), Authorize: authorize, Classify: classify, Timeout: o.Timeout, Transport: o.Transport,
		UserAgent: o.UserAgent, Observe: o.Observe, Clock: o.Clock,
	}
	p.probes = rest.New(common)
	common.Key, common.KeyWords, common.Rates = o.Key, "the token that rotatord works with", o.Rates
	if o.ClientCertFile != "" {
		common.Base = withCertificate(base)
		files := &pair{certFile: o.ClientCertFile, keyFile: o.ClientKeyFile}
		if common.Transport, err = files.presenting(o.Transport); err != nil {
			return nil, err
		}
	}
	p.own = rest.New(common)
	return p, nil
}

func authorize(r *http.Request, secret rotator.Secret) error {
	if !secret.Empty() {
		r.Header.Set(header, string(secret.Reveal()))
	}
	return nil
}

// Skew implements [rotator.Timekeeper].
func (p *Provider) Skew() (time.Duration, bool) { return p.own.Skew() }

// Limits implements [rotator.Provider].
func (p *Provider) Limits() rotator.Limits { return p.limits }

func (o Options) limits() rotator.Limits {
	l := rotator.Limits{
		MaxNameLength: o.MaxNameLength, MaxKeysPerUser: o.MaxKeysPerUser, Expiry: true, Propagation: o.Propagation,
		ReportsLastUse: o.Mode == TokenMode && o.Fields.TokenLastUsed != "", ValidNameRune: asciiRune, NamesFirstKey: o.Mode == TokenMode,
		CallsPerHour: rest.PerHour(o.Rates),
	}
	if o.UnicodeNames {
		l.ValidNameRune = unicodeRune
	}
	return l
}

// punctuation is what the documented alphabet has besides letters and digits.
const punctuation = " -_"

func asciiRune(r rune) bool { return r <= unicode.MaxASCII && unicodeRune(r) }

func unicodeRune(r rune) bool {
	return unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune(punctuation, r)
}

// checkName says why the service would not take a name, or nil. That space at either end is kept is nowhere said.
func (p *Provider) checkName(op, name string) error {
	if name == "" || strings.TrimSpace(name) != name {
		return rotator.NewFault(op, rotator.Invalid, "a name must not be empty, and must neither begin nor end with a space")
	}
	if err := rotator.CheckName(name, p.limits); err != nil {
		return &rotator.Fault{Op: op, Kind: rotator.Invalid, Err: err}
	}
	return nil
}
