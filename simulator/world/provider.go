package world

import (
	"context"
	"time"

	"github.com/rotatord/rotatord/rotator"
)

// named is the daemon's provider, which says on each call what it is about, so that the network knows.
type named struct {
	rotator.Provider
	directory rotator.Directory
	acc       *account
}

// Scan implements [rotator.Provider].
func (p *named) Scan(ctx context.Context, s rotator.Scope, v rotator.Visitor) error {
	op := "scan"
	if s.UserID != "" {
		op = "list"
	} else {
		p.acc.w.oracle.Scanned(p.acc.spec.Name)
		p.acc.scanning()
	}
	err := p.Provider.Scan(withAbout(ctx, about{op: op, user: s.UserID}), s, v)
	if err == nil && s.UserID != "" {
		p.acc.w.oracle.Looked(p.acc.spec.Name + "/" + s.UserID)
	}
	if err == nil && s.UserID == "" {
		p.acc.w.oracle.LookedAtUsers(p.acc.spec.Name)
		p.acc.scanned(p.acc.w.now())
	}
	return err
}

// Mint implements [rotator.Provider].
func (p *named) Mint(ctx context.Context, r rotator.MintRequest) (rotator.Minted, error) {
	m, err := p.Provider.Mint(withAbout(ctx, about{op: "mint", user: r.UserID, key: r.Name}), r)
	if err == nil {
		p.acc.w.knows(string(m.Secret.Reveal()), p.acc.keyID(r.UserID, r.Name))
	}
	return m, err
}

// Check implements [rotator.Provider].
func (p *named) Check(ctx context.Context, user string, s rotator.Secret) error {
	return p.Provider.Check(withAbout(ctx, about{op: "check"}), user, s)
}

// Retire implements [rotator.Provider].
func (p *named) Retire(ctx context.Context, k rotator.Key) error {
	return p.Provider.Retire(withAbout(ctx, about{op: "retire", user: k.UserID, key: k.Name}), k)
}

// The calls of [rotator.Directory], which every provider has.

// Users implements [rotator.Directory].
func (p *named) Users(ctx context.Context, q rotator.UserQuery, visit func(rotator.UserDetails) error) error {
	return p.directory.Users(withAbout(ctx, about{op: "users"}), q, visit)
}

// ShowUser implements [rotator.Directory].
func (p *named) ShowUser(ctx context.Context, id string) (rotator.UserDetails, error) {
	return p.directory.ShowUser(withAbout(ctx, about{op: "show"}), id)
}

// CheckUser implements [rotator.Directory].
func (p *named) CheckUser(s rotator.UserSpec) []string { return p.directory.CheckUser(s) }

// CreateUser implements [rotator.Directory].
func (p *named) CreateUser(ctx context.Context, s rotator.UserSpec) (rotator.CreatedUser, error) {
	made, err := p.directory.CreateUser(withAbout(ctx, about{op: "create", born: p.acc.labelOf(s)}), s)
	if err == nil && made.HasKey {
		for _, k := range p.acc.sys.keys(made.UserID) {
			if k.id == made.Key.KeyID || k.name == s.KeyName {
				p.acc.w.knows(string(made.Key.Secret.Reveal()), p.acc.keyID(made.UserID, k.name))
			}
		}
	}
	return made, err
}

// UpdateUser implements [rotator.Directory].
func (p *named) UpdateUser(ctx context.Context, id string, s rotator.UserSpec) error {
	return p.directory.UpdateUser(withAbout(ctx, about{op: "update"}), id, s)
}

// aware is a provider that knows whose key the daemon works with.
type aware struct {
	*named
	rotator.SelfAware
}

// able is an aware provider that can also switch keys off and move their expiry.
type able struct {
	aware
	switches rotator.Disabler
	extends  rotator.Extender
}

// Disable implements [rotator.Disabler].
func (p *able) Disable(ctx context.Context, k rotator.Key) error {
	return p.switches.Disable(withAbout(ctx, about{op: "disable", user: k.UserID, key: k.Name}), k)
}

// Enable implements [rotator.Disabler].
func (p *able) Enable(ctx context.Context, k rotator.Key) error {
	return p.switches.Enable(withAbout(ctx, about{op: "enable", user: k.UserID, key: k.Name}), k)
}

// Extend implements [rotator.Extender].
func (p *able) Extend(ctx context.Context, k rotator.Key, until time.Time) (time.Time, error) {
	return p.extends.Extend(withAbout(ctx, about{op: "extend", user: k.UserID, key: k.Name}), k, until)
}

// guided is a provider where people lend a hand.
type guided struct {
	*named
	rotator.Guide
}

// provider is what every provider of the world can do.
type provider interface {
	rotator.Provider
	rotator.Directory
}

// wrap names the calls of a provider and keeps what it can do.
func wrap(p provider, a *account) rotator.Provider {
	n := &named{p, p, a}
	self, isAware := p.(rotator.SelfAware)
	switches, canSwitch := p.(rotator.Disabler)
	extends, canExtend := p.(rotator.Extender)
	guide, guides := p.(rotator.Guide)
	switch {
	case isAware && canSwitch && canExtend:
		return &able{aware{n, self}, switches, extends}
	case isAware:
		return &aware{n, self}
	case guides:
		return &guided{n, guide}
	default:
		return n
	}
}

// Skew implements [rotator.Timekeeper], as far as the provider does.
func (p *named) Skew() (ahead time.Duration, known bool) {
	if k, ok := p.Provider.(rotator.Timekeeper); ok {
		return k.Skew()
	}
	return 0, false
}
