package rotator

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// UserKind tells a service user from a person's.
type UserKind string

// The kinds of users.
const (
	ServiceKind  UserKind = "service"
	StandardKind UserKind = "standard"
)

// UserSpec is a user as somebody wants it to be. It holds the fields of all systems; a provider refuses those it does
// not know, in [Directory.CheckUser], before any call. The YAML and JSON names are what drift is reported under.
type UserSpec struct {
	Kind UserKind `yaml:"kind" json:"kind"`
	// Name is the service user's name: DigiCert ONE's friendly name, dataspot's name. CertCentral names its service users
	// itself.
	Name  string `yaml:"name" json:"name,omitempty"`
	Email string `yaml:"email" json:"email,omitempty"`
	// KeyName is the name of the key that comes with a service user at CertCentral and DigiCert ONE.
	KeyName string `yaml:"-" json:"key_name,omitempty"`
	// KeyLifetime is how long that key is to be good at the most, where it ends on a day of its own; 0 for no end. EndDate
	// comes before it.
	KeyLifetime time.Duration `yaml:"-" json:"-"`
	// Description and EndDate (a day, YYYY-MM-DD, that ends at 23:59:59 UTC) are DigiCert ONE's.
	Description string `yaml:"description" json:"description,omitempty"`
	EndDate     string `yaml:"end_date" json:"end_date,omitempty"`
	// Accounts, Managers and Roles are ids: the accounts that may use a DigiCert ONE service user, the managers it may
	// call, its roles. Roles are also the access roles of a standard user at CertCentral.
	Accounts []string `yaml:"accounts" json:"accounts,omitempty"`
	Managers []string `yaml:"managers" json:"managers,omitempty"`
	Roles    []string `yaml:"roles" json:"roles,omitempty"`
	// Container is the division a CertCentral standard user belongs to, Containers those that a user is assigned to, and
	// RestrictedToRole the API role that a CertCentral service user's key is narrowed to.
	Container        string   `yaml:"container" json:"container,omitempty"`
	Containers       []string `yaml:"containers" json:"containers,omitempty"`
	RestrictedToRole string   `yaml:"restricted_to_role" json:"restricted_to_role,omitempty"`
	// Username, FirstName, LastName, JobTitle, Telephone and SSOOnly are a CertCentral standard user's.
	Username  string `yaml:"username" json:"username,omitempty"`
	FirstName string `yaml:"first_name" json:"first_name,omitempty"`
	LastName  string `yaml:"last_name" json:"last_name,omitempty"`
	JobTitle  string `yaml:"job_title" json:"job_title,omitempty"`
	Telephone string `yaml:"telephone" json:"telephone,omitempty"`
	SSOOnly   bool   `yaml:"sso_only" json:"sso_only,omitempty"`
	// LoginID is the unique id of a dataspot service user, AccessLevel one of READ_ONLY, EDITOR and ADMINISTRATOR.
	LoginID     string `yaml:"login_id" json:"login_id,omitempty"`
	AccessLevel string `yaml:"access_level" json:"access_level,omitempty"`
}

// Attribute is one property of a user, under the JSON name that [UserSpec] has for it where it has one.
type Attribute struct {
	Name   string   `json:"name"`
	Values []string `json:"values"`
}

// Attributes lists the properties that the specification sets and that can be read back: neither kind nor the key's
// name and restriction.
func (s UserSpec) Attributes() []Attribute {
	var set []Attribute
	for _, a := range []Attribute{
		{"name", one(s.Name)}, {"email", one(s.Email)}, {"description", one(s.Description)}, {"end_date", one(s.EndDate)},
		{"accounts", s.Accounts}, {"managers", s.Managers}, {"roles", s.Roles},
		{"container", one(s.Container)}, {"containers", s.Containers},
		{"username", one(s.Username)}, {"first_name", one(s.FirstName)}, {"last_name", one(s.LastName)},
		{"job_title", one(s.JobTitle)}, {"telephone", one(s.Telephone)},
		{"login_id", one(s.LoginID)}, {"access_level", one(s.AccessLevel)},
	} {
		if len(a.Values) > 0 {
			set = append(set, a)
		}
	}
	return set
}

func one(s string) []string {
	if s == "" {
		return nil
	}
	return []string{s}
}

// UserDetails is a user as the provider describes it.
type UserDetails struct {
	ServiceUser
	Kind UserKind `json:"kind"`
	// Status is the provider's own word.
	Status string `json:"status,omitempty"`
	// Created and LastLogin are zero where the provider does not say.
	Created   time.Time `json:"created,omitzero"`
	LastLogin time.Time `json:"last_login,omitzero"`
	// Attributes are everything else the provider tells, in its order. Those that a [UserSpec] can set bear its name, with
	// ids for values; what is for people to read has a name of its own ("role_names").
	Attributes []Attribute `json:"attributes,omitempty"`
}

// Difference is one attribute that is not what it was declared to be.
type Difference struct {
	Attribute string   `json:"attribute"`
	Want      []string `json:"want"`
	Have      []string `json:"have"`
}

// String reads: email is "a@example.com", declared "b@example.com".
func (d Difference) String() string {
	quote := func(values []string) string {
		if len(values) == 0 {
			return "not set"
		}
		return `"` + strings.Join(values, `", "`) + `"`
	}
	return d.Attribute + " is " + quote(d.Have) + ", declared " + quote(d.Want)
}

// Drift compares what was declared with what is. Attributes that were not declared may be anything; lists are compared as
// sets.
func Drift(want UserSpec, have UserDetails) []Difference {
	var drift []Difference
	for _, w := range want.Attributes() {
		i := slices.IndexFunc(have.Attributes, func(a Attribute) bool { return a.Name == w.Name })
		var values []string
		switch {
		case i >= 0:
			values = have.Attributes[i].Values
		case w.Name == "name":
			values = one(have.Name)
		case w.Name == "email":
			values = one(have.Email)
		}
		if !sameSet(w.Values, values) {
			drift = append(drift, Difference{Attribute: w.Name, Want: w.Values, Have: values})
		}
	}
	return drift
}

func sameSet(a, b []string) bool {
	a, b = slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b))
	return slices.Equal(slices.Compact(a), slices.Compact(b))
}

// UserQuery narrows a list of users.
type UserQuery struct {
	// Kind is empty for users of every kind.
	Kind UserKind
	// Container narrows to one division (CertCentral) or account (DigiCert ONE); empty for all.
	Container string
	// Offset skips that many users; Limit ends the list after that many, 0 for no end.
	Offset, Limit int
}

// CreatedUser is the answer to a create call. Key is the key that came with the user, where one did: KeyID is empty
// where the provider does not tell it, and the key is then to be found by its name.
type CreatedUser struct {
	UserID string
	HasKey bool
	Key    Minted
}

// Directory is a provider whose users can be listed, shown, created and changed.
type Directory interface {
	// Users streams users in the provider's order. A query field that the provider cannot serve is a fault of kind
	// [Invalid].
	Users(ctx context.Context, q UserQuery, visit func(UserDetails) error) error
	// ShowUser returns one user; "me" is the one that the daemon's own credential belongs to.
	ShowUser(ctx context.Context, id string) (UserDetails, error)
	// CheckUser says everything that the provider would not take, one sentence each, without a call.
	CheckUser(s UserSpec) []string
	// CreateUser makes exactly one user, in exactly one request that changes something. If it cannot tell whether the user
	// was made, the fault's kind is [UnknownOutcome].
	CreateUser(ctx context.Context, s UserSpec) (CreatedUser, error)
	// UpdateUser sets the attributes that the specification sets and leaves the others as they are.
	UpdateUser(ctx context.Context, id string, s UserSpec) error
}

// UserRequest is a call that creates a user, as it would be sent.
type UserRequest struct {
	Method string          `json:"method"`
	Path   string          `json:"path"` // below the provider's base URL
	Body   json.RawMessage `json:"body"`
}

// UserPreviewer is a provider that can show what it would send.
type UserPreviewer interface {
	// PreviewUser returns the one request of [Directory.CreateUser], byte for byte, without a call.
	PreviewUser(s UserSpec) (UserRequest, error)
}

// DeclaredUser is a service user that must exist.
type DeclaredUser struct {
	Provider string `json:"provider"`
	// Label is what the declaration is known by: unique within the provider, and never changed.
	Label string   `json:"label"`
	Spec  UserSpec `json:"spec"`
	// Credential is the base name of its first key.
	Credential string `json:"credential"`
	// FixDrift sets attributes back to what is declared; without it a difference is only reported.
	FixDrift bool `json:"fix_drift,omitempty"`
}

// Matches reports whether u is the declared user, by what is unique at the provider: the login id, the name, or, where
// neither is declared, the e-mail address.
func (d DeclaredUser) Matches(u ServiceUser) bool {
	switch {
	case d.Spec.LoginID != "":
		return u.Login == d.Spec.LoginID
	case d.Spec.Name != "":
		return u.Name == d.Spec.Name
	default:
		return d.Spec.Email != "" && strings.EqualFold(u.Email, d.Spec.Email)
	}
}

// ProvisionState says how far a declared user has come.
type ProvisionState string

// The states of a declared user.
const (
	// ProvisionWanted: somebody asked for it; the next scan sees whether it is there.
	ProvisionWanted ProvisionState = "wanted"
	// ProvisionIntended: it is being created, or the answer was lost; it may exist.
	ProvisionIntended ProvisionState = "intended"
	// ProvisionPresent: it was seen, or created.
	ProvisionPresent ProvisionState = "present"
	// ProvisionVanished: it was seen before and a complete scan does not show it. It is not made again by itself.
	ProvisionVanished ProvisionState = "vanished"
	// ProvisionFailed: it does not exist, and creating it failed; tried again at the next scan.
	ProvisionFailed ProvisionState = "failed"
)

// ProvisionStates lists every state.
func ProvisionStates() []ProvisionState {
	return []ProvisionState{ProvisionWanted, ProvisionIntended, ProvisionPresent, ProvisionVanished, ProvisionFailed}
}

// Provision is what the journal knows of a declared user.
type Provision struct {
	DeclaredUser
	State  ProvisionState `json:"state"`
	UserID string         `json:"user_id,omitempty"`
	// At is when the state was reached.
	At time.Time `json:"at"`
	// Actor is who asked for it; empty for the configuration.
	Actor string `json:"actor,omitempty"`
	// Trouble says what is wrong; Drift what differs from the declaration.
	Trouble string       `json:"trouble,omitempty"`
	Drift   []Difference `json:"drift,omitempty"`
	// AskedAt is when the first of the calls was made that may have created it and whose outcome is not known; zero for none.
	AskedAt time.Time `json:"asked_at,omitzero"`
	// KeylessAt is when a list first lacked the key that may have come with it and whose secret nobody has; zero for never.
	KeylessAt time.Time `json:"keyless_at,omitzero"`
}

// Reach notes the state; the time of one that goes on stays.
func (p *Provision) Reach(s ProvisionState, now time.Time) {
	if p.State != s {
		p.State, p.At = s, now
	}
}

// What can be wrong with a declared service user, as pages and metrics call it.
const (
	ComplaintTrouble = "user_trouble"
	ComplaintDrift   = "user_drift"
)

// Complaint says what a person has to look at, and in words; empty if nothing.
func (p Provision) Complaint() (reason, why string) {
	switch {
	case p.Trouble != "":
		return ComplaintTrouble, p.Trouble
	case len(p.Drift) > 0:
		words := make([]string, len(p.Drift))
		for i, d := range p.Drift {
			words[i] = d.String()
		}
		return ComplaintDrift, strings.Join(words, "; ")
	default:
		return "", ""
	}
}
