package config

// Provider is an account at an issuing system. The fields after type depend on the type.
type Provider struct {
	// Name is how policies, metrics and paths call it.
	Name string `yaml:"name" required:"true"`
	// Type is the kind of issuing system.
	Type string `yaml:"type" required:"true"`
	// Labels go to metrics, pages and notifications.
	Labels map[string]string `yaml:"labels"`

	// CertCentral is set for type certcentral.
	CertCentral *CertCentral `yaml:"-" variant:"certcentral"`
	// DigiCertOne is set for type digicert_one.
	DigiCertOne *DigiCertOne `yaml:"-" variant:"digicert_one"`
	// Dataspot is set for type dataspot.
	Dataspot *Dataspot `yaml:"-" variant:"dataspot"`
	// Manual is set for type manual.
	Manual *Manual `yaml:"-" variant:"manual"`
}

// Traits are the facts about a provider that a policy is checked against before any call is made.
type Traits struct {
	// KeysExpire is true where the provider's keys have an expiry, so that a policy can do without max_age.
	KeysExpire bool
	// SetsLifetime is true where a new key can be given a lifetime.
	SetsLifetime bool
	// NeedsLifetime is true where a new key must be given one.
	NeedsLifetime bool
	// Extends is true where the expiry of a key can be moved.
	Extends bool
	// MaxKeys is the most active keys of one credential; 0 is no cap.
	MaxKeys int
	// CreatesUsers is true where service users can be created.
	CreatesUsers bool
}

// Traits returns the facts about p.
func (p *Provider) Traits() Traits {
	switch {
	case p.DigiCertOne != nil:
		return p.DigiCertOne.traits()
	case p.Dataspot != nil:
		return p.Dataspot.traits()
	case p.Manual != nil:
		return p.Manual.traits()
	case p.CertCentral != nil:
		return p.CertCentral.traits()
	default:
		return Traits{KeysExpire: true, SetsLifetime: true}
	}
}

// traits: CertCentral's key objects have no expiry in any documented answer, and its create call takes none.
func (o *CertCentral) traits() Traits { return Traits{MaxKeys: o.MaxKeys, CreatesUsers: true} }

// CertCentral are the options of an account at DigiCert CertCentral (Services API v2).
type CertCentral struct {
	// BaseURL is the root of the Services API: https, or http on a loopback host only. Europe has a host of its own.
	BaseURL string `yaml:"base_url" default:"https://www.digicert.com/services/v2"`
	// APIKey is the key that the daemon works with. It must belong to an administrator and be unrestricted.
	APIKey SecretRef `yaml:"api_key" required:"true"`
	// ServiceUsersPath is the path, below base_url, of the list of service users.
	ServiceUsersPath string `yaml:"service_users_path" default:"/user/api-only"`
	// ContainerID narrows the service users to one division; 0 is all of them.
	ContainerID int `yaml:"container_id" min:"0"`
	// AllUsers reads the keys of people too, not of service users alone.
	AllUsers bool `yaml:"all_users" default:"false"`
	// RestrictedToRoleID is the API role given to new keys whose predecessor has none (a restricted key is always replaced
	// by one with the same restriction): 0 none, 100 orders, 101 also organizations and domains,
	// 102 reading only, 103 users only.
	RestrictedToRoleID int `yaml:"restricted_to_role_id" default:"0" enum:"0,100,101,102,103"`
	// PageSize is how many entries are asked for at once.
	PageSize int `yaml:"page_size" default:"1000" min:"1" max:"1000"`
	// Rates are the request limits of the account's key; all of them are kept to. The defaults are the documented ones.
	Rates []Rate `yaml:"rates" default:"[{requests: 1000, per: 3m}, {requests: 100, per: 5s}]"`
	// MaxKeysPerUser is the most active keys a user may have; 0 is no cap.
	MaxKeysPerUser int `yaml:"max_keys_per_user" default:"0" min:"0"`
	// MaxKeys is the most active keys one credential may have at a time. An overlap takes two.
	MaxKeys int `yaml:"max_keys" default:"2" min:"2" max:"100"`
	// MaxNameLength caps the names of new keys, in bytes; 0 is no cap.
	MaxNameLength int `yaml:"max_name_length" default:"0" min:"0"`
	// Propagation is how long a change may take to be seen everywhere at the provider.
	Propagation Duration `yaml:"propagation" default:"60s"`
	// Timeout bounds one request.
	Timeout Duration `yaml:"timeout" default:"30s"`
	// CAFile holds certificates, in PEM, to trust in place of the system's.
	CAFile string `yaml:"ca_file"`
}

// Rate is a number of requests in a span of time.
type Rate struct {
	// Requests is how many are allowed.
	Requests int `yaml:"requests" required:"true" min:"1"`
	// Per is the span of time they are allowed in.
	Per Duration `yaml:"per" required:"true"`
}
