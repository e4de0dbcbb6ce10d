package config

// Dataspot are the options of one tenant of a dataspot. server. A key is valid in one tenant only, so each tenant is a provider.
type Dataspot struct {
	// BaseURL is the root of the server, with its context path if it has one: https, or http on a loopback host only.
	BaseURL string `yaml:"base_url" required:"true"`
	// Database is the part of the server's paths that follows /rest/.
	Database string `yaml:"database" required:"true"`
	// Tenant is the name of the tenant.
	Tenant string `yaml:"tenant" required:"true"`
	// AccessKey is the key that the daemon works with. Its service user must be an administrator of the tenant.
	AccessKey SecretRef `yaml:"access_key" required:"true"`
	// Auth is the authentication that stands before the server, beside the access key; none when it is left out.
	Auth DataspotAuth `yaml:"auth"`
	// AccessKeyHeader is the header that carries the key.
	AccessKeyHeader string `yaml:"access_key_header" default:"dataspot-access-key"`
	// TenantHeader is the header that carries the tenant's name; "" sends none.
	TenantHeader string `yaml:"tenant_header" default:"dataspot-tenant"`
	// ProbePath is read, below base_url, to prove that a key works. When it is left out it is /rest/{database}/tenants/{tenant}.
	ProbePath string `yaml:"probe_path"`
	// TypeName is the server's word for a user, in _type.
	TypeName string `yaml:"type_name" default:"User" enum:"User,Benutzer"`
	// Keys are the access keys that exist already and that the server does not list.
	Keys []DeclaredKey `yaml:"keys"`
	// ListsKeys takes the keys from the server in place of from keys. The server must show accessKeys of users; its
	// specification says that it does not.
	ListsKeys bool `yaml:"lists_keys" default:"false"`
	// CreateKeys makes keys by writing accessKeys of the user with PATCH or PUT. Without it a person makes them. Whether such a
	// write leaves the other keys alone is not documented: it is tried out on throwaway_user first, and not used if it does not.
	CreateKeys string `yaml:"create_keys" enum:"patch,put"`
	// ThrowawayUser is the loginId of a service user none of whose keys anybody needs. Required with create_keys, which may delete
	// all of them.
	ThrowawayUser string `yaml:"throwaway_user"`
	// ClientValues makes the value of a new key here, for servers that take it from the client. Needs create_keys.
	ClientValues bool `yaml:"client_values" default:"false"`
	// ExpiryTime is the time of day, with its zone, at which keys expire: new ones, and those in keys whose end is a date; or exact, for the second at which lifetime is over.
	ExpiryTime string `yaml:"expiry_time" default:"23:59:59Z"`
	// MaxKeysPerUser is the most keys a user may have; 0 is no cap.
	MaxKeysPerUser int `yaml:"max_keys_per_user" default:"0" min:"0"`
	// MaxKeys is the most active keys one credential may have at a time. An overlap takes two.
	MaxKeys int `yaml:"max_keys" default:"2" min:"2" max:"100"`
	// MaxNameLength caps the names of new keys, in bytes; 0 is no cap.
	MaxNameLength int `yaml:"max_name_length" default:"0" min:"0"`
	// NameCharacters are the characters that a key's name may have, as in a-zA-Z0-9_-; all that can be printed when left out.
	NameCharacters string `yaml:"name_characters"`
	// Rates are limits of requests to keep to. None are documented.
	Rates []Rate `yaml:"rates" default:"[{requests: 300, per: 1m}]"`
	// Propagation is how long a change may take to be seen everywhere at the server. Its manual says that a key works at once.
	Propagation Duration `yaml:"propagation" default:"10s"`
	// Timeout bounds one request.
	Timeout Duration `yaml:"timeout" default:"30s"`
	// CAFile holds certificates, in PEM, to trust in place of the system's.
	CAFile string `yaml:"ca_file"`
}

// traits: a key's expiry date is mandatory.
func (o *Dataspot) traits() Traits {
	return Traits{KeysExpire: true, SetsLifetime: true, NeedsLifetime: true, MaxKeys: o.MaxKeys, CreatesUsers: true}
}

// DataspotAuth is what stands before a server. At most one way is set.
type DataspotAuth struct {
	// Basic is HTTP basic authentication.
	Basic *DataspotBasic `yaml:"basic"`
	// OAuth2 is bearer tokens that are had with client credentials.
	OAuth2 *DataspotOAuth2 `yaml:"oauth2"`
}

// DataspotBasic is HTTP basic authentication.
type DataspotBasic struct {
	// User is the user's name.
	User string `yaml:"user" required:"true"`
	// Password is the user's password.
	Password SecretRef `yaml:"password" required:"true"`
}

// DataspotOAuth2 is the client credentials grant.
type DataspotOAuth2 struct {
	// TokenURL is the endpoint that issues tokens.
	TokenURL string `yaml:"token_url" required:"true"`
	// ClientID is the id of the client.
	ClientID string `yaml:"client_id" required:"true"`
	// ClientSecret is the secret that goes with it.
	ClientSecret SecretRef `yaml:"client_secret" required:"true"`
	// Scope is asked for if it is set. Entra ID wants api://{client id}/.default.
	Scope string `yaml:"scope"`
	// ClientAuth says where id and secret go: in a header, or in the form.
	ClientAuth string `yaml:"client_auth" default:"header" enum:"header,form"`
}

// DeclaredKey is a key that no call can list: what is known of it stands in the configuration.
type DeclaredKey struct {
	// User is the id of the service user that owns it, or its loginId.
	User string `yaml:"user" required:"true"`
	// Name is the key's name: the base name of the credential.
	Name string `yaml:"name" required:"true"`
	// Created is when it was made: an RFC 3339 time or a date. Without it the key has no age.
	Created Moment `yaml:"created"`
	// Expires is when it ends: an RFC 3339 time, or a date, on which it ends at expiry_time; where that is exact, at its last second in UTC.
	Expires Moment `yaml:"expires"`
}
