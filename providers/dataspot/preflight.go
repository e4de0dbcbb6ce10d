package dataspot

import (
	"context"
	"fmt"
	"strings"

	"github.com/rotatord/rotatord/rotator"
)

// Preflight implements [rotator.Preflighter]. It asks whether the daemon's key works and lists users, whether the users exist that
// the configuration names, and says what the throw-away user has shown, if it was asked already.
func (p *Provider) Preflight(ctx context.Context) ([]string, error) {
	err := p.sendProbe(ctx, p.probe())
	if err == nil {
		var problems []string
		if problems, err = p.lookAtUsers(ctx); err == nil {
			return append(problems, p.lookAtProof()...), nil
		}
	}
	switch rotator.KindOf(err) {
	case rotator.Denied, rotator.Invalid, rotator.Gone, rotator.Conflict:
		return []string{"The daemon's access key is of no use: " + err.Error() + "."}, nil
	default:
		return nil, err
	}
}

func (p *Provider) lookAtUsers(ctx context.Context) ([]string, error) {
	met := map[string]bool{}
	throwaway := false
	err := p.eachUser(ctx, nil, func(u *wireUser) error {
		if !u.ServiceUser {
			return nil
		}
		for _, name := range []string{u.ID, u.LoginID} {
			if len(p.declared[name]) > 0 {
				met[name] = true
			}
		}
		throwaway = throwaway || u.LoginID == p.options.ThrowawayUser
		return nil
	})
	if err != nil {
		return nil, err
	}
	var problems []string
	if strangers := p.declared.strangers(met); len(strangers) > 0 {
		problems = append(problems, fmt.Sprintf("Keys are declared of %s, which is not the id or the loginId of a service user of the tenant %s: these keys are not rotated.",
			`"`+strings.Join(strangers, `", "`)+`"`, p.options.Tenant))
	}
	if p.options.CreateKeys != ByHand && !throwaway {
		problems = append(problems, fmt.Sprintf("There is no service user with the loginId %q (throwaway_user) in the tenant %s, so no keys are made.",
			p.options.ThrowawayUser, p.options.Tenant))
	}
	return problems, nil
}

// lookAtProof does not wait for one that is under way.
func (p *Provider) lookAtProof() []string {
	select {
	case p.proof.gate <- struct{}{}:
		defer p.proof.leave()
	default:
		return nil
	}
	if p.proof.bad == nil {
		return nil
	}
	return []string{"No keys are made by calls: " + p.proof.bad.Error() + "."}
}
