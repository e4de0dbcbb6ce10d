package simulator

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/rotatord/rotatord/config"
	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/simulator/world"
)

// Fleet is what a forecast is made for: a configuration, and a model of the keys under it.
type Fleet struct {
	Config   *config.Config
	Policies []*rotator.Policy
	Freezes  []rotator.Freeze
	// From is when the forecast begins, Span how far it goes.
	From time.Time
	Span time.Duration
	// Seed draws the faults, if Faults is set.
	Seed   uint64
	Faults bool
	// Keys are the keys that there are; see [Fleet.Spread] and [Fleet.Read].
	Keys []FleetKey
	// Outage, if set, lets every provider be down for so long, beginning on the worst day.
	Outage time.Duration
}

// FleetKey is a key of the model.
type FleetKey struct {
	Provider, User, Base, Policy string
	Created, Expires             time.Time
}

// Spread fills the model with n keys: as many under each pair of a policy and a provider, with ages spread evenly, so that nothing
// is due on the first day that would not be due on any other.
func (f *Fleet) Spread(n int) error {
	type pair struct {
		provider string
		policy   *rotator.Policy
	}
	var pairs []pair
	for _, p := range f.Policies {
		for _, a := range f.Config.Providers {
			if selects(p.Match.Providers, a.Name) {
				pairs = append(pairs, pair{a.Name, p})
			}
		}
	}
	if len(pairs) == 0 {
		return fmt.Errorf("no policy selects any provider of the configuration, so there is nothing to simulate")
	}
	each := (n + len(pairs) - 1) / len(pairs)
	for i := range n {
		p, nth := pairs[i%len(pairs)], i/len(pairs)
		life := cmp.Or(p.policy.MaxAge, p.policy.Lifetime, 365*day)
		age := (life - p.policy.RenewBefore) * time.Duration(nth) / time.Duration(max(each, 1))
		f.Keys = append(f.Keys, FleetKey{Provider: p.provider, Policy: p.policy.Name, User: instance(p.policy.Match.ServiceUsers, "sim-user-*", i),
			Base: instance(p.policy.Match.Keys, "sim-key-*", i), Created: f.From.Add(-age), Expires: f.From.Add(cmp.Or(p.policy.Lifetime, life) - age)})
	}
	return nil
}

func selects(names []string, name string) bool {
	p := rotator.Policy{Match: rotator.Match{Providers: names}}
	return p.SelectsUser(name, rotator.ServiceUser{ID: "any"})
}

// instance is a name that the first of the patterns matches.
func instance(patterns []string, otherwise string, n int) string {
	pattern := otherwise
	if len(patterns) > 0 {
		pattern = patterns[0]
	}
	if pattern == "*" {
		pattern = otherwise
	}
	return strings.NewReplacer("*", strconv.Itoa(n), "?", "0", "[", "", "]", "").Replace(pattern)
}

// Read fills the model from the JSON form of rotatord report: the keys that work and are managed.
func (f *Fleet) Read(r io.Reader) error {
	var document struct {
		Keys []struct {
			Provider   string `json:"provider"`
			UserID     string `json:"user_id"`
			Credential string `json:"credential"`
			Policy     string `json:"policy"`
			State      string `json:"state"`
			User       struct {
				Name string `json:"name"`
			} `json:"user"`
			Created time.Time `json:"created"`
			Expires time.Time `json:"expires"`
		} `json:"keys"`
	}
	if err := json.NewDecoder(r).Decode(&document); err != nil {
		return fmt.Errorf("the inventory cannot be read: %w; make one with: rotatord report --format json --file report.json", err)
	}
	seen := map[string]bool{}
	for _, k := range document.Keys {
		id := k.Provider + "/" + k.UserID + "/" + k.Credential
		if k.Policy == "" || k.State != "active" || seen[id] {
			continue
		}
		seen[id] = true
		f.Keys = append(f.Keys, FleetKey{Provider: k.Provider, User: cmp.Or(k.User.Name, k.UserID), Base: k.Credential, Policy: k.Policy, Created: k.Created, Expires: k.Expires})
	}
	if len(f.Keys) == 0 {
		return fmt.Errorf("the inventory has no managed key that works, so there is nothing to simulate")
	}
	return nil
}

// forecastLook is how often the daemon of a forecast looks at the clock without a reason: rarely, so that years pass in seconds. It wakes up
// for what is due all the same.
const forecastLook = day

// scanEvery is how often the daemon of a forecast scans: once a day, or four times where keys live for less than a month. Between two
// scans nothing changes but what the daemon does itself; what a scan is needed for is to see that, and to renew the cap's allowance.
func (f *Fleet) scanEvery() time.Duration {
	for _, p := range f.Policies {
		if cmp.Or(p.MaxAge, p.Lifetime, 365*day) < 30*day {
			return 6 * time.Hour
		}
	}
	return day
}

func (f *Fleet) scans() string {
	if f.scanEvery() == day {
		return "7 3 * * *"
	}
	return "7 */6 * * *"
}

// scenario is the model at one provider; false if it has no key there.
func (f *Fleet) scenario(p *config.Provider, w world.Watch) (*world.Scenario, bool) {
	s := &world.Scenario{Seed: f.Seed, Start: f.From, Span: f.Span, Look: forecastLook, Scan: f.scans(), Quick: true, Watch: w, Freezes: f.Freezes,
		Limits:    rotator.CapLimits{MaxShare: float64(f.Config.Limits.MaxSharePerScan), AlwaysAllowed: f.Config.Limits.AlwaysAllowed},
		HaltAfter: f.Config.Limits.HaltAfterFailures, Concurrent: f.Config.Limits.ConcurrentRotations,
		Accounts: []world.Account{modelOf(p)}}
	for _, k := range f.Config.Sinks {
		s.Sinks = append(s.Sinks, world.Sink{Name: k.Name})
	}
	for _, m := range f.Policies {
		s.Policies = append(s.Policies, world.Policy{Policy: *m})
	}
	users := map[string]int{}
	for _, k := range f.Keys {
		if k.Provider != p.Name {
			continue
		}
		user := k.User
		if n := users[user]; n > 0 { // names are unique at the provider, and a pattern without a star has but one
			user += "-" + strconv.Itoa(n)
		}
		users[k.User]++
		c := world.Credential{User: user, Email: k.User, Base: k.Base, Age: f.From.Sub(k.Created)}
		if s.Accounts[0].System != world.CertCentral && !k.Expires.IsZero() {
			c.Lifetime = k.Expires.Sub(k.Created)
		}
		s.Credentials = append(s.Credentials, c)
	}
	if f.Faults {
		s.Odds = map[world.Fault]float64{}
		for _, fault := range world.Faults() {
			s.Odds[fault] = 0.002
		}
	}
	return s, len(s.Credentials) > 0
}

// modelOf is the emulated account in place of a configured one.
func modelOf(p *config.Provider) world.Account {
	a := world.Account{Name: p.Name, Propagation: time.Minute, MaxKeys: p.Traits().MaxKeys}
	var rates []config.Rate
	switch {
	case p.CertCentral != nil:
		a.System, rates = world.CertCentral, p.CertCentral.Rates
	case p.DigiCertOne != nil:
		a.System, rates = world.DigiCertOne, p.DigiCertOne.Rates
	default: // people make keys there and remove them
		a.System = world.Dataspot
		if p.Dataspot != nil {
			rates = p.Dataspot.Rates
		}
	}
	for _, r := range rates {
		a.Rates = append(a.Rates, world.Rate{Requests: r.Requests, Per: time.Duration(r.Per)})
	}
	return a
}
