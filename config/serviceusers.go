package config

import "github.com/rotatord/rotatord/rotator"

// ServiceUser declares a service user that must exist. One that does not is created, and its first key is delivered to the
// sinks of the policy that selects it. One that was seen and is gone is reported, never made again by itself.
type ServiceUser struct {
	// Provider is the name of the provider that it exists at.
	Provider string `yaml:"provider" required:"true"`
	// Label is what the declaration is known by. It is unique within the provider and never changes.
	Label string `yaml:"label" required:"true"`
	// Credential is the base name of its first key; the label, when left out.
	Credential string `yaml:"credential"`
	// OnDrift says what happens when an attribute is not what is declared here: report names it, fix sets it back.
	OnDrift string `yaml:"on_drift" default:"report" enum:"report,fix"`

	// Name is the service user's name: the friendly name at DigiCert ONE, the name at dataspot. CertCentral names its
	// service users itself.
	Name string `yaml:"name"`
	// Email is the address of the person who looks after its credentials.
	Email string `yaml:"email"`
	// Description is shown in DigiCert ONE.
	Description string `yaml:"description"`
	// EndDate is the day, YYYY-MM-DD, on which a DigiCert ONE service user ends, at 23:59:59 UTC.
	EndDate string `yaml:"end_date"`
	// Accounts are the ids of the accounts that may use a DigiCert ONE service user.
	Accounts []string `yaml:"accounts"`
	// Managers are the ids of the DigiCert ONE managers that it may call.
	Managers []string `yaml:"managers"`
	// Roles are the ids of its roles at DigiCert ONE.
	Roles []string `yaml:"roles"`
	// Containers are the ids of the divisions that a CertCentral service user is assigned to.
	Containers []string `yaml:"containers"`
	// RestrictedToRole is the API role that its keys are narrowed to at CertCentral: 100, 101, 102 or 103.
	RestrictedToRole string `yaml:"restricted_to_role"`
	// LoginID is the unique id of a dataspot service user.
	LoginID string `yaml:"login_id"`
	// AccessLevel is what a dataspot service user may do: READ_ONLY, EDITOR or ADMINISTRATOR.
	AccessLevel string `yaml:"access_level"`
}

// Declared returns the declaration in the engine's words.
func (u *ServiceUser) Declared() rotator.DeclaredUser {
	d := rotator.DeclaredUser{
		Provider: u.Provider, Label: u.Label, Credential: u.Credential, FixDrift: u.OnDrift == "fix",
		Spec: rotator.UserSpec{
			Kind: rotator.ServiceKind, Name: u.Name, Email: u.Email, Description: u.Description, EndDate: u.EndDate,
			Accounts: u.Accounts, Managers: u.Managers, Roles: u.Roles, Containers: u.Containers,
			RestrictedToRole: u.RestrictedToRole, LoginID: u.LoginID, AccessLevel: u.AccessLevel,
		},
	}
	if d.Credential == "" {
		d.Credential = u.Label
	}
	return d
}
