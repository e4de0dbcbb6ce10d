package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/rotatord/rotatord/emulator"
)

func emulateDataspotCommand() *cobra.Command {
	var f emulateFlags
	var basic, client string
	o := emulator.DataspotOptions{}
	cmd := &cobra.Command{
		Use: "dataspot", Short: "Serve an emulated dataspot. server", Args: args(cobra.NoArgs),
		Long: `Serves an emulated dataspot. server with its tenants. Each has one administrator, whose access key is printed. What a person
does in the server's pages, such as making a key, is done at /_emulator/page/keys. What the server's documents leave open is
answered in the likeliest way, and by flags in another. Faults are ordered by a scenario file or at /_emulator/faults. It
listens on loopback addresses only.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			if o.Front.BasicUser, o.Front.BasicPassword, err = pair("--front-basic", basic); err != nil {
				return err
			}
			if o.Front.ClientID, o.Front.ClientSecret, err = pair("--front-client", client); err != nil {
				return err
			}
			e := emulator.NewDataspot(o)
			return f.serve(cmd, e, &e.Faults, func(root string) { tellDataspot(cmd, e, o, root) })
		},
	}
	f.register(cmd)
	addDataspotFlags(cmd, &o)
	cmd.Flags().StringVar(&basic, "front-basic", "", "`user:password` that HTTP basic authentication in front asks for")
	cmd.Flags().StringVar(&client, "front-client", "", "`id:secret` of the OAuth2 client that may pass the front with a bearer token")
	return cmd
}

// addDataspotFlags has one flag for each question that the server's documents leave open.
func addDataspotFlags(cmd *cobra.Command, o *emulator.DataspotOptions) {
	flags := cmd.Flags()
	flags.StringVar(&o.ManagerSecret, "access-key", "", "the key of the first tenant's administrator (default: a random one)")
	flags.StringVar(&o.Database, "database", "prod", "name of the database")
	flags.StringVar(&o.ContextPath, "context-path", "", "path in front of /rest, such as /dataspot")
	flags.StringSliceVar(&o.Tenants, "tenant", []string{"ACME"}, "name of a tenant; may be repeated")
	flags.BoolVar(&o.Replace, "replace", false, "let a write of accessKeys replace the keys instead of adding to them")
	flags.BoolVar(&o.OmitValue, "omit-value", false, "leave a new key's value out of the answer")
	flags.BoolVar(&o.ValueFromClient, "value-from-client", false, "take a new key's value from the request")
	flags.BoolVar(&o.ShowKeys, "show-keys", false, "show a user's keys, without their values")
	flags.BoolVar(&o.EpochDates, "epoch-dates", false, "show dates as milliseconds since 1970")
	flags.BoolVar(&o.NameTakenIsViolation, "name-taken-is-violation", false, "answer a key name that is taken with 400 instead of 409")
	flags.BoolVar(&o.GoneIs410, "gone-is-410", false, "answer for users that were deleted with 410 instead of 404")
	flags.BoolVar(&o.ErrorsNotJSON, "errors-not-json", false, "answer errors with a page of HTML")
	flags.BoolVar(&o.IgnoreLoginFilter, "ignore-login-filter", false, "list all users whatever ?loginId= says")
	flags.StringVar(&o.UserType, "user-type", "User", "word for a user in _type; Benutzer is the other known one")
	flags.DurationVar(&o.NewKeyRefusedFor, "new-key-refused-for", 0, "how long a new key does not authenticate")
	flags.StringVar(&o.Front.Scope, "front-scope", "", "scope that a client must ask for")
	flags.DurationVar(&o.Front.TokenLifetime, "front-token-lifetime", time.Hour, "how long a bearer token is good for")
}

func tellDataspot(cmd *cobra.Command, e *emulator.Dataspot, o emulator.DataspotOptions, root string) {
	out := cmd.OutOrStdout()
	line(out, "database: %s", e.Database())
	if o.Front.ClientID != "" {
		line(out, "tokens:   %s%s", root, e.TokenPath())
	}
	for _, tenant := range o.Tenants {
		line(out, "tenant:   %s", tenant)
		line(out, "access_key: %s", e.ManagerSecret(tenant))
	}
}

// pair splits what a flag says at its first colon. A flag that was not given is a pair of nothing.
func pair(flag, text string) (first, second string, err error) {
	first, second, ok := strings.Cut(text, ":")
	if text != "" && (!ok || first == "") {
		return "", "", usage{fmt.Errorf("%s needs two values with a colon between them", flag)}
	}
	return first, second, nil
}
