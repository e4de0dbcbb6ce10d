package digicertone

import (
	"fmt"
	"net/mail"
	"strings"
	"time"

	"github.com/rotatord/rotatord/rotator"
)

// CheckUser implements [rotator.Directory]. What a service user needs is that of the console's page: a friendly name, an
// e-mail address, an account, manager access and roles. What the request for a person looks like is not public.
func (p *Provider) CheckUser(s rotator.UserSpec) []string {
	var mistakes []string
	need := func(missing bool, sentence string) {
		if missing {
			mistakes = append(mistakes, sentence)
		}
	}
	need(s.Kind != rotator.ServiceKind, "The kind must be service: how DigiCert ONE takes other users is not documented.")
	need(s.Name == "", "A service user must have a name.")
	need(s.Email == "", "A service user must have an e-mail address: the contact of its owner.")
	need(len(s.Accounts) == 0, "A service user must have at least one account.")
	need(len(s.Managers) == 0, "A service user must have access to at least one manager.")
	need(len(s.Roles) == 0, "A service user must have at least one role.")
	base, _ := rotator.SplitName(s.KeyName)
	need(p.options.Mode == RecreateMode && s.KeyName == "", "In recreate mode the service user is made under the name of its first key, and that is missing.")
	need(p.options.Mode == RecreateMode && s.KeyName != "" && base != s.Name,
		fmt.Sprintf("In recreate mode a service user bears the name of its key: the name %q must be that of the credential, %q.", s.Name, base))
	return append(mistakes, p.checkAttributes(s, p.options.Clock.Now())...)
}

// checkAttributes says what is wrong with what a specification sets.
func (p *Provider) checkAttributes(s rotator.UserSpec, now time.Time) []string {
	var mistakes []string
	for _, n := range []struct{ what, text string }{{"name", s.Name}, {"key name", s.KeyName}} {
		if n.text == "" {
			continue
		}
		if err := p.checkName("", n.text); err != nil {
			mistakes = append(mistakes, fmt.Sprintf("The %s %q cannot be used: letters, digits, space, dash and underscore can, no space at either end%s.",
				n.what, n.text, p.longest()))
		}
	}
	if a, err := mail.ParseAddress(s.Email); s.Email != "" && (err != nil || a.Address != s.Email) {
		mistakes = append(mistakes, fmt.Sprintf("The e-mail address %q is none.", s.Email))
	}
	mistakes = append(mistakes, checkEndDate(s.EndDate, now)...)
	for _, list := range []struct {
		what string
		ids  []string
	}{{"account", s.Accounts}, {"manager", s.Managers}, {"role", s.Roles}} {
		for _, id := range list.ids {
			if !validID(id) {
				mistakes = append(mistakes, fmt.Sprintf("The %s %q is no id.", list.what, id))
			}
		}
	}
	return append(mistakes, foreign(s)...)
}

func (p *Provider) longest() string {
	if p.limits.MaxNameLength == 0 {
		return ""
	}
	return fmt.Sprintf(", and at most %d characters", p.limits.MaxNameLength)
}

// checkEndDate takes a day that exists and is not over. Today will do: it ends at 23:59:59 UTC.
func checkEndDate(text string, now time.Time) []string {
	if text == "" {
		return nil
	}
	day, err := time.Parse(time.DateOnly, text)
	if err != nil {
		return []string{fmt.Sprintf("The end date %q is no day such as 2026-01-31.", text)}
	}
	if !endOfDay(day).After(now) {
		return []string{fmt.Sprintf("The end date %s is over.", text)}
	}
	return nil
}

// foreign names attributes that other systems' users have.
func foreign(s rotator.UserSpec) []string {
	var names []string
	for _, a := range []struct {
		name string
		set  bool
	}{
		{"container", s.Container != ""}, {"containers", len(s.Containers) > 0}, {"restricted_to_role", s.RestrictedToRole != ""},
		{"username", s.Username != ""}, {"first_name", s.FirstName != ""}, {"last_name", s.LastName != ""},
		{"job_title", s.JobTitle != ""}, {"telephone", s.Telephone != ""}, {"sso_only", s.SSOOnly},
		{"login_id", s.LoginID != ""}, {"access_level", s.AccessLevel != ""},
	} {
		if a.set {
			names = append(names, a.name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	return []string{"DigiCert ONE knows nothing of: " + strings.Join(names, ", ") + "."}
}

// asFault is the fault of a specification that the service would not take; nil for one that it would.
func asFault(op string, mistakes []string) error {
	if len(mistakes) == 0 {
		return nil
	}
	return rotator.NewFault(op, rotator.Invalid, "%s", strings.Join(mistakes, " "))
}
