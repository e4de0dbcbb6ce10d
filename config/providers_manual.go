package config

// Manual are keys that nobody can rotate by an API: a person makes them and supplies them.
type Manual struct {
	// Keys are the keys that exist.
	Keys []DeclaredKey `yaml:"keys" required:"true"`
}

func (o *Manual) traits() Traits { return Traits{KeysExpire: true, SetsLifetime: true} }
