package config

// Sink is a destination of secrets. The fields after type depend on the type.
type Sink struct {
	// Name is how policies, metrics and logs call it.
	Name string `yaml:"name" required:"true"`
	// Type is the kind of destination.
	Type string `yaml:"type" required:"true"`

	// Vault is set for type vault.
	Vault *Vault `yaml:"-" variant:"vault"`
	// File is set for type file.
	File *File `yaml:"-" variant:"file"`
}

// Vault are the options of a key-value engine behind the HashiCorp Vault API.
type Vault struct {
	// Address is where the server listens: https, or http on a loopback host only.
	Address string `yaml:"address" required:"true"`
	// Namespace is the namespace that mount and auth are in.
	Namespace string `yaml:"namespace"`
	// CAFile holds certificates, in PEM, to trust in place of the system's.
	CAFile string `yaml:"ca_file"`
	// CertFile is the client certificate, in PEM.
	CertFile string `yaml:"cert_file"`
	// KeyFile is the client certificate's private key, in PEM.
	KeyFile string `yaml:"key_file"`
	// ServerName is the name expected in the server's certificate, where it is not the address's host.
	ServerName string `yaml:"server_name"`
	// Auth says how to log in: exactly one way.
	Auth VaultAuth `yaml:"auth"`
	// Mount is the path of the key-value engine.
	Mount string `yaml:"mount" default:"secret"`
	// KVVersion is the version of the key-value engine.
	KVVersion int `yaml:"kv_version" default:"2" enum:"1,2"`
	// Path is where a credential is written below the mount: a template over .Provider, .UserID, .ServiceUser and
	// .Credential.
	Path string `yaml:"path" required:"true"`
	// Field is the name that the secret has in the entry.
	Field string `yaml:"field" default:"api_key"`
	// AdoptExisting takes over an entry that somebody else wrote, in place of reporting a conflict.
	AdoptExisting bool `yaml:"adopt_existing" default:"false"`
	// Timeout bounds one request.
	Timeout Duration `yaml:"timeout" default:"30s"`
}

// VaultAuth says how to log in to Vault. Exactly one way is set.
type VaultAuth struct {
	// TokenFile is a file that holds a token and is read again when it changes, as a Vault agent writes it.
	TokenFile string `yaml:"token_file"`
	// AppRole logs in with a role id and a secret id.
	AppRole *VaultAppRole `yaml:"approle"`
	// Kubernetes logs in with the pod's service account.
	Kubernetes *VaultKubernetes `yaml:"kubernetes"`
}

// VaultAppRole logs in with a role id and a secret id.
type VaultAppRole struct {
	// Mount is the path of the auth method.
	Mount string `yaml:"mount" default:"approle"`
	// RoleID is the role's id. It is no secret.
	RoleID string `yaml:"role_id" required:"true"`
	// SecretID is the secret that goes with it.
	SecretID SecretRef `yaml:"secret_id" required:"true"`
}

// VaultKubernetes logs in with the pod's service account.
type VaultKubernetes struct {
	// Mount is the path of the auth method.
	Mount string `yaml:"mount" default:"kubernetes"`
	// Role is the role to ask for.
	Role string `yaml:"role" required:"true"`
	// JWTFile is the pod's token; it is read anew at each login.
	JWTFile string `yaml:"jwt_file" default:"/var/run/secrets/kubernetes.io/serviceaccount/token"`
}

// File are the options of files on this machine's disk.
type File struct {
	// Path is the file of a credential: a template over .Provider, .UserID, .ServiceUser and .Credential.
	Path string `yaml:"path" required:"true"`
	// Root is the folder that no path may lead out of. When it is left out, it is the part of path before the first
	// template expression, up to its last slash.
	Root string `yaml:"root"`
	// Mode is the file's permissions, in octal and in quotes.
	Mode FileMode `yaml:"mode" default:"0600"`
	// Owner is the user that owns the file, by name or number; the daemon's own when left out.
	Owner string `yaml:"owner"`
	// Group is the group that owns the file, by name or number; the daemon's own when left out.
	Group string `yaml:"group"`
	// DirMode is the permissions of folders that have to be made.
	DirMode FileMode `yaml:"dir_mode" default:"0750"`
	// Format is what is written: raw is the secret alone, json and env hold key id, version and expiry beside it,
	// template is what the template makes of them.
	Format string `yaml:"format" default:"raw" enum:"raw,json,env,template"`
	// Template is the text of the file for format template: Go's text/template over .Secret, .KeyID, .KeyName, .Version,
	// .Expires, .Rotation, .Fingerprint, .Provider, .UserID, .ServiceUser and .Credential. The secret must come out of it
	// unchanged, since it is read back.
	Template string `yaml:"template"`
	// Field is the name that the secret has in formats json and env, there in capitals.
	Field string `yaml:"field" default:"api_key"`
	// KeepPrevious leaves the version before beside the file, under the same name with .previous behind it.
	KeepPrevious bool `yaml:"keep_previous" default:"false"`
	// AdoptExisting takes over a file that somebody else wrote, in place of reporting a conflict.
	AdoptExisting bool `yaml:"adopt_existing" default:"false"`
}
