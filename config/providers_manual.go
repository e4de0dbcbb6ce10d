package config

// Manual are keys that nobody can rotate by an API: a person makes them, hands them over and removes them.
type Manual struct {
	// Keys are the keys that exist.
	Keys []ManualKey `yaml:"keys" required:"true"`
	// Probe says how to prove that a key works. Without it keys are tracked, and none can be replaced through the daemon.
	Probe *ManualProbe `yaml:"probe"`
	// Make tells a person how to make a key: Go's text/template over .User, .KeyName, .Until (a date, empty for any) and .Supply,
	// the command that takes the key.
	Make string `yaml:"make"`
	// Remove tells a person how to remove a key: a template over .User, .KeyName and .Until.
	Remove string `yaml:"remove"`
	// MaxKeys is the most active keys one credential may have at a time. An overlap takes two.
	MaxKeys int `yaml:"max_keys" default:"2" min:"2" max:"100"`
}

// traits: keys have an expiry where every one that is declared does.
func (o *Manual) traits() Traits {
	expire := true
	for _, k := range o.Keys {
		expire = expire && !k.Expires.End().IsZero()
	}
	return Traits{KeysExpire: expire, SetsLifetime: true, MaxKeys: o.MaxKeys}
}

// ManualKey is a key that exists.
type ManualKey struct {
	// User is what the key belongs to: an account, a service, a machine. It is the id of the service user.
	User string `yaml:"user" required:"true"`
	// Name is the key's name: the base name of the credential.
	Name string `yaml:"name" required:"true"`
	// Created is when it was made: an RFC 3339 time or a date. Without it the key has no age.
	Created Moment `yaml:"created"`
	// Expires is when it ends: an RFC 3339 time, or a date, which is its last second in UTC.
	Expires Moment `yaml:"expires"`
	// Owner is whom to ask: an address or a team. It is shown, and matched, as the e-mail of the service user.
	Owner string `yaml:"owner"`
}

// ManualProbe is a request that a key makes possible.
type ManualProbe struct {
	// URL is asked: https, or http on a loopback host only. Redirects are not followed.
	URL string `yaml:"url" required:"true"`
	// Method is how.
	Method string `yaml:"method" default:"GET" enum:"GET,HEAD"`
	// Header carries the key.
	Header string `yaml:"header" default:"Authorization"`
	// Prefix stands before the key in the header, as in "Bearer ".
	Prefix string `yaml:"prefix"`
	// Expect are the statuses that prove that the key works.
	Expect []int `yaml:"expect" default:"[200]" min:"200" max:"599"`
	// Refuse are the statuses that prove that it does not. All others prove nothing, and the key is tried again.
	Refuse []int `yaml:"refuse" default:"[401, 403]" min:"200" max:"599"`
	// Timeout bounds the request.
	Timeout Duration `yaml:"timeout" default:"30s"`
	// CAFile holds certificates, in PEM, to trust in place of the system's.
	CAFile string `yaml:"ca_file"`
}
