package config

// Notifications tells the contacts of credentials what happens to their keys. Without this section nobody is told
// anything.
type Notifications struct {
	// Events are what is told.
	Events []string `yaml:"events" default:"[first_key, replaced, revoked, extended, abandoned, awaiting_supply, awaiting_removal, old_key_in_use, hook_failing, resolved]" enum:"first_key,replaced,revoked,extended,abandoned,awaiting_supply,awaiting_removal,old_key_in_use,hook_failing,resolved"`
	// Gather is how long a notice waits for others to the same person, to go out in one message.
	Gather Duration `yaml:"gather" default:"2m"`
	// RemindAfter is when people are asked again to do what they were asked for, then after twice that time, and so on up to 30
	// days; 0 is never.
	RemindAfter Duration `yaml:"remind_after" default:"1d"`
	// Mail tells by e-mail, at the address that the provider keeps for the service user.
	Mail *Mail `yaml:"mail"`
	// Webhooks tell teams and programs, whatever the contact of the service user is.
	Webhooks []Webhook `yaml:"webhooks"`
	// Alertmanager is told what needs a person, for those who run no Prometheus with rotatord's alerts beside it.
	Alertmanager *Alertmanager `yaml:"alertmanager"`
}

// Alertmanager is told again and again what needs a person at the time.
type Alertmanager struct {
	// URLs are the addresses of all members of one cluster, without /api.
	URLs []string `yaml:"urls" required:"true"`
	// Every is the time from one telling to the next. An alert that was not told for four times as long counts as resolved there.
	Every Duration `yaml:"every" default:"1m"`
	// Labels are added to every alert, to route it by.
	Labels map[string]string `yaml:"labels"`
	// PageURL is the address of rotatord's page for people, which alerts link to.
	PageURL string `yaml:"page_url"`
	// Username signs in by basic authentication. Without it nobody signs in.
	Username string `yaml:"username"`
	// Password goes with the username.
	Password SecretRef `yaml:"password"`
	// CAFile holds certificates, in PEM, to trust in place of the system's.
	CAFile string `yaml:"ca_file"`
}

// Webhook tells by an HTTP POST.
type Webhook struct {
	// Name is what logs and metrics call it. A webhook that is renamed does not get what still waits for the old name.
	Name string `yaml:"name" required:"true"`
	// Format is what the receiver understands: CloudEvents, or the incoming webhooks of Slack or Microsoft Teams.
	Format string `yaml:"format" default:"cloudevents" enum:"cloudevents,slack,teams"`
	// URL is where it is. Slack's and Teams' are secrets: whoever has them can post.
	URL SecretRef `yaml:"url" required:"true"`
	// SigningSecret signs CloudEvents with HMAC-SHA256 as Standard Webhooks do; "whsec_" and base64, or any text.
	SigningSecret SecretRef `yaml:"signing_secret"`
	// CAFile holds certificates, in PEM, to trust in place of the system's.
	CAFile string `yaml:"ca_file"`
	// Events are what it is told; without them, all that the section names.
	Events []string `yaml:"events" enum:"first_key,replaced,revoked,extended,abandoned,awaiting_supply,awaiting_removal,old_key_in_use,hook_failing,resolved"`
	// Providers are the names of the providers that it is told of; without them, of all.
	Providers []string `yaml:"providers"`
	// Policies are the names of the policies that it is told of; without them, of all.
	Policies []string `yaml:"policies"`
	// Timeout bounds the sending of one message.
	Timeout Duration `yaml:"timeout" default:"30s"`
}

// Mail is how e-mail is sent, and to whom.
type Mail struct {
	// Server is the host and port of the mail server: 587 is usual for starttls, 465 for implicit.
	Server string `yaml:"server" required:"true"`
	// TLS protects the connection: asked for at its beginning (starttls), from its first byte on (implicit), or not at all,
	// which only a server on this machine may do (none).
	TLS string `yaml:"tls" default:"starttls" enum:"starttls,implicit,none"`
	// CAFile holds certificates, in PEM, to trust in place of the system's.
	CAFile string `yaml:"ca_file"`
	// Username signs in to the server. Without it nobody signs in.
	Username string `yaml:"username"`
	// Password goes with the username.
	Password SecretRef `yaml:"password"`
	// From is the address that messages come from, with or without a name in front: "Keys <keys@example.com>".
	From string `yaml:"from" required:"true"`
	// ReplyTo is where answers go, if not to the sender.
	ReplyTo string `yaml:"reply_to"`
	// CC are addresses that get a copy of everything.
	CC []string `yaml:"cc"`
	// SubjectPrefix stands in front of every subject.
	SubjectPrefix string `yaml:"subject_prefix" default:"[rotatord]"`
	// Recipients are patterns of the addresses that may be written to, as in "*@example.com": what a provider holds as an
	// address is text that anybody may have typed.
	Recipients []string `yaml:"recipients" required:"true"`
	// Fallback is the address that is told where the contact is missing or may not be written to.
	Fallback string `yaml:"fallback"`
	// Questions is a line in every message that says whom to ask.
	Questions string `yaml:"questions"`
	// Timeout bounds the sending of one message.
	Timeout Duration `yaml:"timeout" default:"1m"`
}
