package config

// DigiCertOne are the options of an account at DigiCert ONE (Account Manager API v1).
type DigiCertOne struct {
	// BaseURL is the root of the instance, without the path of the API: regions and on-premises instances have hosts of
	// their own.
	BaseURL string `yaml:"base_url" default:"https://one.digicert.com"`
	// APIKey is the token that the daemon works with.
	APIKey SecretRef `yaml:"api_key"`
	// MaxKeys is the most active keys one credential may have at a time. An overlap takes two.
	MaxKeys int `yaml:"max_keys" default:"2" min:"2" max:"100"`
}

func (o *DigiCertOne) traits() Traits {
	return Traits{KeysExpire: true, SetsLifetime: true, Extends: true, MaxKeys: o.MaxKeys, CreatesUsers: true}
}
