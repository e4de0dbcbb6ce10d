package config

// Config is the whole file.
type Config struct {
	// Server is the daemon's own HTTP listener: the on-call page, the API, metrics and health.
	Server Server `yaml:"server"`
	// Store is where rotations are journalled.
	Store Store `yaml:"store"`
	// Scan says when providers are read for keys that are nearing their deadline.
	Scan Scan `yaml:"scan"`
	// Verify has every sink read back, and every current key tried, by the calendar; not, when left out.
	Verify *Verify `yaml:"verify"`
	// Log says what is logged and how.
	Log Log `yaml:"log"`
	// Metrics says what is exported.
	Metrics Metrics `yaml:"metrics"`
	// Providers are the accounts at issuing systems.
	Providers []Provider `yaml:"providers" required:"true"`
	// Sinks are the places that secrets are delivered to.
	Sinks []Sink `yaml:"sinks" required:"true"`
	// Hooks tell consumers that a new key is in its places.
	Hooks []Hook `yaml:"hooks"`
	// Policies select credentials and say when and how they rotate. They are tried in this order and the first that
	// matches a credential applies; the others do not see it.
	Policies []Policy `yaml:"policies" required:"true"`
	// ServiceUsers are service users that must exist.
	ServiceUsers []ServiceUser `yaml:"service_users"`
	// Drills have credentials rotated by the calendar, to see that rotating works.
	Drills []Drill `yaml:"drills"`
	// Freezes are spans of the calendar in which nothing rotates and nothing is revoked.
	Freezes []Freeze `yaml:"freezes"`
	// Limits keep one bad thing from becoming many.
	Limits Limits `yaml:"limits"`
	// Notifications tells the contacts of credentials what happens to their keys.
	Notifications *Notifications `yaml:"notifications"`

	// Warnings are what is allowed but probably not meant, in the order of the file.
	Warnings Problems `yaml:"-"`

	secrets []placedSecret
}

// Server is the daemon's own HTTP listener.
type Server struct {
	// Listen is host:port. Anything but a loopback address wants a web_config_file: without one, nobody can act over
	// the network.
	Listen string `yaml:"listen" default:"127.0.0.1:9650"`
	// WebConfigFile turns on TLS, client certificates and basic auth. It has the format that the Prometheus
	// exporters share.
	WebConfigFile string `yaml:"web_config_file"`
	// Allow says who may read and who may act, by the names that web_config_file authenticates.
	Allow Allow `yaml:"allow"`
	// OIDC lets people in with the tokens of an OpenID Connect issuer. It goes with TLS and client certificates, not with
	// basic_auth_users. It is read at the start.
	OIDC *OIDC `yaml:"oidc"`
}

// OIDC says whose tokens are accepted and what their groups may do.
type OIDC struct {
	// Issuer is the issuer's address, written exactly as it stands in its tokens.
	Issuer string `yaml:"issuer" required:"true"`
	// Audience must be among those that a token is for: usually the client id that rotatord has at the issuer.
	Audience string `yaml:"audience" required:"true"`
	// GroupsClaim is the claim that lists a person's groups. A dot leads into an object, as in realm_access.roles.
	GroupsClaim string `yaml:"groups_claim" default:"groups"`
	// Viewers lists the groups that may see the page, the API and the metrics; "*" is everybody with a good token.
	Viewers []string `yaml:"viewers"`
	// Operators lists the groups that may also act.
	Operators []string `yaml:"operators"`
	// CAFile holds certificates, in PEM, to trust in place of the system's.
	CAFile string `yaml:"ca_file"`
}

// Allow lists user names; "*" is everyone who was authenticated.
type Allow struct {
	// Read lists who may see the page, the API and the metrics.
	Read []string `yaml:"read" default:"['*']"`
	// Act lists who may rotate, hold, release, approve, undo and reload.
	Act []string `yaml:"act" default:"['*']"`
}

// Store is where rotations are journalled.
type Store struct {
	// Path is the file of the embedded database. Its folder must be on a local disk: file locks and fsync are relied on.
	// It is for one process.
	Path string `yaml:"path" default:"/var/lib/rotatord/rotatord.db"`
	// Postgres has the journal in a PostgreSQL database, in place of path: for several replicas.
	Postgres *Postgres `yaml:"postgres"`
	// Seal protects, at rest, the secrets that are on their way to their sinks.
	Seal Seal `yaml:"seal"`
	// Audit is the record of what was decided and done.
	Audit Audit `yaml:"audit"`
	// KeepHistory is how long ended rotations with their histories, and incidents, are kept at least; 0 is for ever. What a decision may still
	// need is kept whatever is written here.
	KeepHistory Duration `yaml:"keep_history" default:"400d"`
}

// Postgres is a PostgreSQL database that several replicas share. Each provider's account has one of them act on it.
type Postgres struct {
	// DSN is the connection string, as a URL (postgres://rotatord@db.example/rotatord?sslmode=verify-full) or as keywords and
	// values. It leads to the server itself: through a connection pooler such as PgBouncer, the locks of sessions do not work.
	DSN SecretRef `yaml:"dsn" required:"true"`
	// Lease is for how long a replica keeps an account without saying that it is alive: a frozen one, or one that does not reach
	// the database, is displaced after it. One that ended is displaced at once. It is at least twice the longest timeout of a
	// provider, because no call begins in its second half.
	Lease Duration `yaml:"lease" default:"60s"`
}

// Audit is the record of what was decided and done.
type Audit struct {
	// Keep is how long audit records are kept at least; 0 is for ever. Older ones are removed by whole days, behind a
	// checkpoint that keeps the chain verifiable.
	Keep Duration `yaml:"keep" default:"400d"`
}

// Seal protects secrets in flight. Exactly one of its fields is set.
type Seal struct {
	// Key is the key that secrets are encrypted with between their creation and their delivery; several, one a line, while
	// it is being exchanged. Without the same key after a restart, keys in flight have to be minted anew.
	Key SecretRef `yaml:"key"`
	// VaultTransit has the key wrapped by Vault, in place of a file: it is unwrapped at each start, and kept in memory.
	VaultTransit *VaultTransit `yaml:"vault_transit"`
}

// VaultTransit is a key of the transit engine behind the HashiCorp Vault API.
type VaultTransit struct {
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
	// Mount is the path of the transit engine.
	Mount string `yaml:"mount" default:"transit"`
	// Key is the name of the key in the engine; it must exist.
	Key string `yaml:"key" required:"true"`
	// Timeout bounds one request.
	Timeout Duration `yaml:"timeout" default:"30s"`
}

// Scan says when providers are read.
type Scan struct {
	// Schedule is a cron expression of five fields, or @hourly, @daily, "@every 15m" (at least 1s).
	Schedule string `yaml:"schedule" default:"*/15 * * * *"`
	// Timezone is the IANA zone that the schedule is meant in.
	Timezone string `yaml:"timezone" default:"UTC"`
}

// Verify says when every credential is verified.
type Verify struct {
	// Schedule is a cron expression of five fields, or @daily, @weekly, "@every 12h". A time that passed while the daemon did not
	// run is made up for.
	Schedule string `yaml:"schedule" required:"true"`
	// Timezone is the IANA zone that the schedule is meant in.
	Timezone string `yaml:"timezone" default:"UTC"`
}

// Drill has credentials rotated by the calendar although they are not due. It goes the way of "rotatord drill", and nobody confirms it.
type Drill struct {
	// Name is how logs call it.
	Name string `yaml:"name" required:"true"`
	// Match selects the credentials. Of these, the ones whose keys are the oldest come first; what is held, due, or rotated
	// already is left out.
	Match Match `yaml:"match"`
	// Window is when drills begin: each time it opens, so many as limit says. What stands against them, such as a freeze, is
	// waited for while it is open. The policy's own window has to be open too.
	Window *Window `yaml:"window" required:"true"`
	// Limit is how many drills are begun at each provider each time.
	Limit int `yaml:"limit" default:"1" min:"1" max:"1000"`
}

// Log says what is logged and how.
type Log struct {
	// Level is the least important level that is logged.
	Level string `yaml:"level" default:"info" enum:"debug,info,warn,error"`
	// Format is json for machines or console for people.
	Format string `yaml:"format" default:"json" enum:"json,console"`
}

// Metrics says what is exported.
type Metrics struct {
	// PerKey exports a few series for each key. Beyond 10,000 managed keys it is off whatever is written here: the aggregates
	// stay.
	PerKey bool `yaml:"per_key" default:"true"`
}

// Freeze is a span of the calendar in which nothing rotates and nothing is revoked.
type Freeze struct {
	// From is when it begins: an RFC 3339 time, or a date, which is the start of that day in UTC.
	From Moment `yaml:"from" required:"true"`
	// To is when it ends: an RFC 3339 time, or a date, which is included: the freeze ends with that day, in UTC.
	To Moment `yaml:"to" required:"true"`
	// Reason is printed wherever the freeze stops something.
	Reason string `yaml:"reason" required:"true"`
	// UnlessExpiresWithin lets a rotation start all the same when the key's deadline is nearer than this.
	UnlessExpiresWithin Duration `yaml:"unless_expires_within"`
}

// Limits keep one bad thing from becoming many.
type Limits struct {
	// ConcurrentRotations is how many rotations of one provider take a step at the same time. It is counted for each
	// provider, so that a slow one stops no other.
	ConcurrentRotations int `yaml:"concurrent_rotations" default:"16" min:"1" max:"1024"`
	// HaltAfterFailures is how many failures in a row open a provider's breaker: nothing calls it for a minute, then it is
	// tried again, and after each further failure for twice as long, up to half an hour.
	HaltAfterFailures int `yaml:"halt_after_failures" default:"5" min:"1" max:"1000"`
	// MaxSharePerScan is the share of a provider's credentials that one scan may plan to rotate without asking a person.
	MaxSharePerScan Percent `yaml:"max_share_per_scan" default:"20%"`
	// AlwaysAllowed is how many rotations one scan may plan whatever share that is, so that small fleets never ask.
	AlwaysAllowed int `yaml:"always_allowed" default:"10" min:"0" max:"1000000"`
}
