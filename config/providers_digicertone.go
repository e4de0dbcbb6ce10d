package config

// DigiCertOne are the options of an account at DigiCert ONE (Account Manager API v1).
type DigiCertOne struct {
	// BaseURL is the root of the instance, without the path of the API: regions and on-premises instances have hosts of
	// their own.
	BaseURL string `yaml:"base_url" default:"https://one.digicert.com"`
	// APIPath is where Account Manager's API begins, below base_url.
	APIPath string `yaml:"api_path" default:"/account/api/v1"`
	// Mode says what a key is: token, an API token of a service user, or recreate, the service user itself, which is
	// replaced by a successor with the same accounts, manager access and roles.
	Mode string `yaml:"mode" default:"token" enum:"token,recreate"`
	// APIKey is the token that the daemon works with. It, or a client certificate, is needed.
	APIKey SecretRef `yaml:"api_key"`
	// ClientCertFile holds a client certificate, in PEM. Calls then go to the host with clientauth. before it.
	ClientCertFile string `yaml:"client_cert_file"`
	// ClientKeyFile holds the private key of the client certificate, in PEM.
	ClientKeyFile string `yaml:"client_key_file"`
	// SendKeyWithCertificate sends the token along with the client certificate.
	SendKeyWithCertificate bool `yaml:"send_key_with_certificate" default:"false"`
	// UpdateStyle says what an update takes: full, the whole object, or partial, the fields that change.
	UpdateStyle string `yaml:"update_style" default:"full" enum:"full,partial"`
	// SwitchUsersByStatus disables and enables users by the status in an update, in place of calls of their own.
	SwitchUsersByStatus bool `yaml:"switch_users_by_status" default:"false"`
	// Fields are the names of JSON fields, in requests and answers; a dot leads into an object. An empty name says that
	// the instance has no such field.
	Fields DigiCertOneFields `yaml:"fields"`
	// Statuses are the words for the states of users and tokens.
	Statuses DigiCertOneStatuses `yaml:"statuses"`
	// Paths are those of the API that are not documented in full. Each holds {id}.
	Paths DigiCertOnePaths `yaml:"paths"`
	// AccountID narrows the service users to those that have this account as their primary one.
	AccountID string `yaml:"account_id"`
	// PageSize asks for lists in pages of that many entries; 0 expects each list whole, as it is documented.
	PageSize int `yaml:"page_size" default:"0" min:"0" max:"1000"`
	// UnicodeNames allows letters and digits beyond ASCII in the names of new keys.
	UnicodeNames bool `yaml:"unicode_names" default:"false"`
	// Rates are the request limits of the daemon's token; all of them are kept to. The default is a guess: the real
	// numbers are not public.
	Rates []Rate `yaml:"rates" default:"[{requests: 300, per: 1m}]"`
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

func (o *DigiCertOne) traits() Traits {
	return Traits{KeysExpire: true, SetsLifetime: true, Extends: true, MaxKeys: o.MaxKeys, CreatesUsers: true}
}

// DigiCertOneFields are the names of JSON fields. Most are inferred, because the vendor does not publish them.
type DigiCertOneFields struct {
	// UserID is a user's id.
	UserID string `yaml:"user_id" default:"id"`
	// UserName is a user's friendly name.
	UserName string `yaml:"user_name" default:"friendly_name"`
	// UserDescription is a user's description.
	UserDescription string `yaml:"user_description" default:"description"`
	// UserEmail is a user's e-mail address.
	UserEmail string `yaml:"user_email" default:"email"`
	// UserStatus is a user's status word.
	UserStatus string `yaml:"user_status" default:"status"`
	// UserType tells service users from people.
	UserType string `yaml:"user_type" default:"user_type"`
	// UserCreated is when a user was made.
	UserCreated string `yaml:"user_created" default:"created_at"`
	// UserEndDate is a user's end date.
	UserEndDate string `yaml:"user_end_date" default:"end_date"`
	// UserAccounts are the accounts that a user can reach.
	UserAccounts string `yaml:"user_accounts" default:"accounts"`
	// UserManagers are the managers that a user has access to.
	UserManagers string `yaml:"user_managers" default:"applications"`
	// UserRoles are a user's roles.
	UserRoles string `yaml:"user_roles" default:"roles"`
	// UserAccount is a user's primary account.
	UserAccount string `yaml:"user_account" default:"primary_account_id"`
	// CreatedToken is the value of the token in the answer to the creation of a user.
	CreatedToken string `yaml:"created_token" default:"api_token.token"`
	// CreatedTokenID is the id of that token.
	CreatedTokenID string `yaml:"created_token_id" default:"api_token.id"`
	// CreatedTokenEndDate is the end date of that token.
	CreatedTokenEndDate string `yaml:"created_token_end_date" default:"api_token.end_date"`
	// TokenID is a token's id.
	TokenID string `yaml:"token_id" default:"id"`
	// TokenName is a token's name.
	TokenName string `yaml:"token_name" default:"name"`
	// TokenUserID is the id of the user that a token belongs to.
	TokenUserID string `yaml:"token_user_id" default:"user_id"`
	// TokenStatus is a token's status word.
	TokenStatus string `yaml:"token_status" default:"status"`
	// TokenEndDate is a token's end date.
	TokenEndDate string `yaml:"token_end_date" default:"end_date"`
	// TokenCreated is when a token was made.
	TokenCreated string `yaml:"token_created" default:"created_at"`
	// TokenLastUsed is when a token was last used. Set it only if the instance tells: a token without it counts as unused.
	TokenLastUsed string `yaml:"token_last_used"`
	// TokenValue is the value of a token in the answer to its creation.
	TokenValue string `yaml:"token_value" default:"token"`
}

// DigiCertOneStatuses are the words for the states of users and tokens. Any other word is a key that is left alone.
type DigiCertOneStatuses struct {
	// Active is the word for what works.
	Active string `yaml:"active" default:"ACTIVE"`
	// Disabled is the word for what was switched off and can be switched on again.
	Disabled string `yaml:"disabled" default:"DISABLED"`
	// Expired is the word for what is past its end date.
	Expired string `yaml:"expired" default:"EXPIRED"`
}

// DigiCertOnePaths are the paths of calls, below the root of the API, that are not documented in full.
type DigiCertOnePaths struct {
	// UpdateUser is that of a PUT that changes a user.
	UpdateUser string `yaml:"update_user" default:"/user/{id}"`
	// DeleteUser is that of a DELETE that deletes a user.
	DeleteUser string `yaml:"delete_user" default:"/user/{id}"`
	// EnableUser is that of a PUT that enables a user.
	EnableUser string `yaml:"enable_user" default:"/user/{id}/enable"`
	// DisableUser is that of a PUT that disables a user.
	DisableUser string `yaml:"disable_user" default:"/user/{id}/disable"`
}
