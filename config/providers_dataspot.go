package config

// Dataspot are the options of one tenant of a dataspot. server.
type Dataspot struct {
	// BaseURL is the root of the server, with its context path if it has one.
	BaseURL string `yaml:"base_url" required:"true"`
	// Keys are the access keys that exist already and that the server does not list.
	Keys []DeclaredKey `yaml:"keys"`
}

func (o *Dataspot) traits() Traits {
	return Traits{KeysExpire: true, SetsLifetime: true, NeedsLifetime: true, CreatesUsers: true}
}

// DeclaredKey is a key that no call can list: what is known of it stands in the configuration.
type DeclaredKey struct {
	// User is the id of the service user that owns it.
	User string `yaml:"user" required:"true"`
	// Name is the key's name: the base name of the credential.
	Name string `yaml:"name" required:"true"`
	// Created is when it was made: an RFC 3339 time or a date. Without it the key has no age.
	Created Moment `yaml:"created"`
	// Expires is when it ends: an RFC 3339 time, or a date, which is the end of that day in UTC.
	Expires Moment `yaml:"expires"`
}
