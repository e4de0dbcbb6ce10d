package config

// Hook tells consumers that a new key is in its places. Policies name the hooks that they use. The fields after type depend on
// the type.
type Hook struct {
	// Name is how policies, metrics and logs call it. A hook that is renamed or taken out ends what still waits for the old
	// name an hour later.
	Name string `yaml:"name" required:"true"`
	// Type is how consumers are told.
	Type string `yaml:"type" required:"true"`
	// Debounce is how long a new key waits for others that are told in the same call.
	Debounce Duration `yaml:"debounce" default:"10s"`
	// Timeout bounds one call. A command that is not done by then is killed with all that it started.
	Timeout Duration `yaml:"timeout" default:"30s"`
	// Concurrent is how many calls are made at the same time; never two that would do the same.
	Concurrent int `yaml:"concurrent" default:"1" min:"1" max:"64"`

	// Webhook is set for type webhook.
	Webhook *HookWebhook `yaml:"-" variant:"webhook"`
	// Command is set for type command.
	Command *HookCommand `yaml:"-" variant:"command"`
	// Systemd is set for type systemd.
	Systemd *HookSystemd `yaml:"-" variant:"systemd"`
}

// HookWebhook posts a CloudEvent.
type HookWebhook struct {
	// URL is where the receiver is: https, or http on a loopback host only.
	URL SecretRef `yaml:"url" required:"true"`
	// SigningSecret signs events with HMAC-SHA256 as Standard Webhooks do; "whsec_" and base64, or any text.
	SigningSecret SecretRef `yaml:"signing_secret"`
	// CAFile holds certificates, in PEM, to trust in place of the system's.
	CAFile string `yaml:"ca_file"`
}

// HookCommand runs a program of this machine, without a shell, as the daemon's user.
type HookCommand struct {
	// Command is the program's absolute path and its arguments, as a list. The arguments may hold {{.Hook}}, {{.Provider}},
	// {{.UserID}}, {{.ServiceUser}}, {{.Credential}}, {{.Policy}}, {{.Rotation}}, {{.Reason}}, {{.Version}}, {{.KeyID}}, {{.KeyName}}
	// and {{.Fingerprint}}.
	Command []string `yaml:"command" required:"true"`
	// KeepOutput has the end of the output of a program that failed in the log, the journal, the API and on pages. Leave it off for
	// programs that may print secrets.
	KeepOutput bool `yaml:"keep_output" default:"false"`
}

// HookSystemd has systemd reload or restart units of this machine.
type HookSystemd struct {
	// Units are their names, with the ending. They may hold the same fields as a command, which are escaped, as in
	// app@{{.ServiceUser}}.service.
	Units []string `yaml:"units" required:"true"`
	// Action is what is done: reload_or_restart starts what does not run, reload_or_try_restart leaves that alone.
	Action string `yaml:"action" default:"reload_or_restart" enum:"reload_or_restart,reload_or_try_restart,reload,restart"`
}
