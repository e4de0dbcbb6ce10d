package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/rotatord/rotatord/internal/app"
	"github.com/rotatord/rotatord/internal/client"
	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/web"
)

// creation is what users create was asked for.
type creation struct {
	provider   string
	spec       rotator.UserSpec
	standard   bool
	label      string
	credential string
	yes        bool
	printKey   bool
	wait       time.Duration
}

// plannedUser is the answer of a dry run.
type plannedUser struct {
	Provider string           `json:"provider"`
	Spec     rotator.UserSpec `json:"spec"`
	Mistakes []string         `json:"mistakes"`
	// Request is what goes to the provider, byte for byte.
	Request *rotator.UserRequest `json:"request,omitempty"`
	Created bool                 `json:"created"`
	UserID  string               `json:"user_id,omitempty"`
}

func usersCreateCommand(f *flags) *cobra.Command {
	var c creation
	cmd := &cobra.Command{
		Use: "create [PROVIDER]", Short: "Create a user", Args: args(cobra.MaximumNArgs(1)),
		Long: `Checks the user against everything the provider documents and, without --yes, only says what would be created.

A service user is created by the running daemon, and its first key goes to the sinks of the policy that selects
the credential: nobody sees it. With --print-key it is created by this command instead, and the key, which no one can ever
show again, is printed to standard output. A standard user (--standard) has no key.`,
		Example: `  rotatord users create certcentral --email ci@example.com --credential deploy
  rotatord users create digicert-one --name ci-build --email ops@example.com --account 5f0c… --manager … --role … --credential deploy --yes
  rotatord users create certcentral --standard --username ada.l --first-name Ada --last-name Lovelace --email ada@example.com --role 5 --yes`,
		RunE: func(cmd *cobra.Command, given []string) error {
			c.provider = first(given)
			return c.run(cmd, f)
		},
	}
	c.bind(cmd)
	return cmd
}

func (c *creation) bind(cmd *cobra.Command) {
	flags, s := cmd.Flags(), &c.spec
	flags.BoolVar(&c.standard, "standard", false, "a standard user, who signs in, in place of a service user")
	flags.StringVar(&c.credential, "credential", "", "the base name of the service user's first key")
	flags.StringVar(&c.label, "label", "", "what the daemon knows the service user by (default: its name, login or e-mail)")
	flags.BoolVar(&c.yes, "yes", false, "do it; without, nothing is created")
	flags.BoolVar(&c.printKey, "print-key", false, "create the service user here, without the daemon, and print its key")
	flags.DurationVar(&c.wait, "wait", 2*time.Minute, "how long to wait for the daemon to create it; 0 does not wait")

	flags.StringVar(&s.Name, "name", "", "name (DigiCert ONE: friendly name; dataspot: name)")
	flags.StringVar(&s.Email, "email", "", "e-mail address of whoever looks after its credentials")
	flags.StringVar(&s.Description, "description", "", "description (DigiCert ONE)")
	flags.StringVar(&s.EndDate, "end-date", "", "last day, YYYY-MM-DD, until 23:59:59 UTC (DigiCert ONE)")
	flags.StringSliceVar(&s.Accounts, "account", nil, "id of an account that may use it (DigiCert ONE; may be repeated)")
	flags.StringSliceVar(&s.Managers, "manager", nil, "id of a DigiCert ONE manager that it may call (may be repeated)")
	flags.StringSliceVar(&s.Roles, "role", nil, "id of a role (DigiCert ONE; CertCentral standard users; may be repeated)")
	flags.StringVar(&s.Container, "container", "", "id of the division (CertCentral standard users)")
	flags.StringSliceVar(&s.Containers, "assign-container", nil, "id of a division that it is assigned to (CertCentral; may be repeated)")
	flags.StringVar(&s.RestrictedToRole, "restricted-to-role", "", "API role of its key: 100, 101, 102 or 103 (CertCentral)")
	flags.StringVar(&s.Username, "username", "", "user name (CertCentral standard users)")
	flags.StringVar(&s.FirstName, "first-name", "", "first name (CertCentral standard users)")
	flags.StringVar(&s.LastName, "last-name", "", "last name (CertCentral standard users)")
	flags.StringVar(&s.JobTitle, "job-title", "", "job title (CertCentral standard users)")
	flags.StringVar(&s.Telephone, "telephone", "", "telephone number (CertCentral standard users)")
	flags.BoolVar(&s.SSOOnly, "sso-only", false, "may sign in by SAML single sign-on only (CertCentral standard users)")
	flags.StringVar(&s.LoginID, "login-id", "", "unique id (dataspot)")
	flags.StringVar(&s.AccessLevel, "access-level", "", "READ_ONLY, EDITOR or ADMINISTRATOR (dataspot)")
}

func (c *creation) run(cmd *cobra.Command, f *flags) error {
	conf, name, d, err := f.directory(c.provider)
	if err != nil {
		return err
	}
	c.provider = name
	if err := c.complete(); err != nil {
		return usage{err}
	}
	if !c.standard && !c.printKey {
		c.spec.KeyLifetime = app.KeyLifetime(conf, name, c.spec, c.credential) // as the daemon will ask
	}
	answer := plannedUser{Provider: c.provider, Spec: c.spec, Mistakes: d.CheckUser(c.spec)}
	if len(answer.Mistakes) == 0 {
		if answer.Request, err = preview(d, c.spec); err != nil {
			return usage{err}
		}
	}
	if len(answer.Mistakes) > 0 || !c.yes {
		if err := f.print(cmd.OutOrStdout(), answer, answer.print); err != nil {
			return err
		}
		if len(answer.Mistakes) > 0 {
			return exit(exitUsage)
		}
		return nil
	}
	if c.standard || c.printKey {
		return c.here(cmd, f, d, answer)
	}
	return c.byDaemon(cmd, f)
}

// complete checks what goes together and fills in what was left out.
func (c *creation) complete() error {
	c.spec.Kind = rotator.ServiceKind
	if c.standard {
		c.spec.Kind = rotator.StandardKind
		if c.credential != "" || c.printKey {
			return errors.New("a standard user has no key: leave out --credential and --print-key")
		}
		return nil
	}
	if c.credential == "" {
		return errors.New("say what the first key is called, with --credential")
	}
	c.spec.KeyName = rotator.KeyName(c.credential, 1)
	if c.printKey {
		c.spec.KeyName = c.credential
	}
	c.label = cmp.Or(c.label, c.spec.LoginID, c.spec.Name, c.spec.Email)
	return nil
}

// preview is the request that would be sent.
func preview(d rotator.Directory, s rotator.UserSpec) (*rotator.UserRequest, error) {
	able, ok := d.(rotator.UserPreviewer)
	if !ok {
		return nil, nil //nolint:nilnil // there is nothing to show, and nothing wrong
	}
	r, err := able.PreviewUser(s)
	return &r, err
}

func (p plannedUser) print(w io.Writer) {
	for _, m := range p.Mistakes {
		line(w, "%s", m)
	}
	if len(p.Mistakes) > 0 {
		line(w, "the provider would not take this user; nothing was created")
		return
	}
	if p.Request != nil {
		body, err := json.MarshalIndent(p.Request.Body, "", "  ")
		if err != nil {
			panic(err) // it is JSON that was made a moment ago
		}
		line(w, "%s %s\n%s", p.Request.Method, p.Request.Path, body)
	}
	if p.Created {
		line(w, "created, with the id %s", p.UserID)
		return
	}
	line(w, "nothing was created; do it with --yes")
}

// here creates the user with the credential from the configuration.
func (c *creation) here(cmd *cobra.Command, f *flags, d rotator.Directory, answer plannedUser) error {
	made, err := d.CreateUser(cmd.Context(), c.spec)
	defer made.Key.Secret.Wipe()
	if rotator.WriteKindOf(err) == rotator.UnknownOutcome && err != nil {
		return fmt.Errorf("whether the user was created is not known; look with: rotatord users list: %w", err)
	}
	if err != nil {
		return err
	}
	answer.Created, answer.UserID = true, made.UserID
	shown := cmd.OutOrStdout()
	if made.HasKey {
		shown = cmd.ErrOrStderr() // standard output is the key alone, so that it can be piped on
	}
	if err := f.print(shown, answer, answer.print); err != nil || !made.HasKey {
		return err
	}
	_, err = fmt.Fprintln(cmd.OutOrStdout(), string(made.Key.Secret.Reveal()))
	return err
}

// byDaemon asks the daemon, which delivers the first key, and waits until the service user is there.
func (c *creation) byDaemon(cmd *cobra.Command, f *flags) error {
	daemon, err := f.daemon()
	if err != nil {
		return err
	}
	spec := c.spec
	spec.KeyName = ""
	u, err := daemon.CreateServiceUser(cmd.Context(), web.UserRequest{Provider: c.provider, Label: c.label, Credential: c.credential, Spec: spec})
	if err != nil {
		return err
	}
	if c.wait > 0 {
		if u, err = awaitUser(cmd.Context(), daemon, u, c.wait); err != nil {
			return err
		}
	}
	if err := f.print(cmd.OutOrStdout(), u, func(w io.Writer) { printServiceUser(w, u) }); err != nil {
		return err
	}
	if u.Trouble != "" {
		return exit(exitFailed)
	}
	return nil
}

func printServiceUser(w io.Writer, u web.ServiceUser) {
	switch {
	case u.Trouble != "":
		line(w, "%s/%s\t%s\t%s", u.Provider, u.Label, u.State, u.Trouble)
	case u.UserID == "":
		line(w, "%s/%s\tasked for\tthe daemon creates it with its next scan; see: rotatord status", u.Provider, u.Label)
	default:
		line(w, "%s/%s\tcreated\tid %s; its first key goes to the sinks; see: rotatord status", u.Provider, u.Label, u.UserID)
	}
}

// awaitUser looks until the service user is there or has failed.
func awaitUser(ctx context.Context, daemon *client.Client, u web.ServiceUser, patience time.Duration) (web.ServiceUser, error) {
	ctx, stop := context.WithTimeout(ctx, patience)
	defer stop()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return u, nil // what is known by now is the answer
		case <-tick.C:
		}
		all, err := daemon.ServiceUsers(ctx)
		if err != nil {
			return u, fmt.Errorf("asking the daemon how far it is: %w", err)
		}
		for _, now := range all.ServiceUsers {
			if now.Provider == u.Provider && now.Label == u.Label {
				u = now
			}
		}
		if u.State == string(rotator.ProvisionPresent) || strings.TrimSpace(u.Trouble) != "" {
			return u, nil
		}
	}
}
