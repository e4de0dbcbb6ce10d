package config

// Policy selects credentials and says when and how they rotate.
//
// A key's deadline is the earlier of its expiry and its creation + max_age. A rotation starts renew_before ahead of it.
type Policy struct {
	// Name is how pages, logs and metrics call it.
	Name string `yaml:"name" required:"true"`
	// Match selects credentials. A credential is rotated by the first policy that matches it.
	Match Match `yaml:"match"`
	// RenewBefore is how long before the deadline a rotation starts. Grace, idle and soak have to fit into it.
	RenewBefore Duration `yaml:"renew_before" required:"true"`
	// MaxAge is the age at which a key must be gone. It is needed where the provider's keys have no expiry.
	MaxAge Duration `yaml:"max_age"`
	// Lifetime is the lifetime of new keys, where the provider can set one.
	Lifetime Duration `yaml:"lifetime"`
	// Grace is how long the old key lives on after the last sink was confirmed.
	Grace Duration `yaml:"grace" required:"true"`
	// Idle is how long the old key must have been unused before it goes, where the provider reports use.
	Idle Duration `yaml:"idle" default:"24h"`
	// Soak is how long the old key stays switched off before it is revoked, where the provider can switch keys off.
	Soak Duration `yaml:"soak" default:"0s"`
	// Jitter spreads rotations: each starts earlier by a share of renew_before drawn once, at most this.
	Jitter Percent `yaml:"jitter" default:"10%"`
	// Window is when rotations may start and old keys may go; always, when left out.
	Window *Window `yaml:"window"`
	// Extend moves the expiry of a key that nears it, in place of replacing the key, where the provider can. The secret stays
	// the same and is as old as before: max_age still replaces it. Needs lifetime, by which the expiry is moved.
	Extend bool `yaml:"extend" default:"false"`
	// ObserveOnly tells what is due and rotates nothing.
	ObserveOnly bool `yaml:"observe_only" default:"false"`
	// Sinks are the names of the sinks that must all hold the new key before the old one goes. Only a policy that
	// observes can do without.
	Sinks []string `yaml:"sinks" required_unless:"observe_only"`
	// Hooks are the names of the hooks that tell consumers of a new key. One that fails is tried again and stops nothing.
	Hooks []string `yaml:"hooks"`
	// RequiredHooks are hooks without whose success the old key stays, unless it is compromised.
	RequiredHooks []string `yaml:"required_hooks"`
	// Labels go to metrics, pages and notifications.
	Labels map[string]string `yaml:"labels"`
}

// Match selects credentials by glob patterns: * is any text without a slash, ? one character, [a-z] a range.
type Match struct {
	// Providers are patterns for the names of providers.
	Providers []string `yaml:"providers" default:"['*']"`
	// ServiceUsers are patterns for the id, the name or the e-mail of the service user.
	ServiceUsers []string `yaml:"service_users" default:"['*']"`
	// Keys are patterns for the credential's base name: the key's name without the suffix that the daemon adds.
	Keys []string `yaml:"keys" default:"['*']"`
	// Exclude are patterns for users or keys that are left out, whatever the others say.
	Exclude []string `yaml:"exclude"`
}

// Window is a recurring span of time.
type Window struct {
	// Cron says when it opens: a cron expression of five fields.
	Cron string `yaml:"cron" required:"true"`
	// For is how long it stays open.
	For Duration `yaml:"for" required:"true"`
	// Timezone is the IANA zone that cron is meant in.
	Timezone string `yaml:"timezone" default:"UTC"`
}
