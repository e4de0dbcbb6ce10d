package main

import (
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/rotatord/rotatord/emulator"
)

func emulateDigiCertOneCommand() *cobra.Command {
	var f emulateFlags
	o := emulator.DigiCertOneOptions{}
	cmd := &cobra.Command{
		Use: "digicert-one", Short: "Serve an emulated DigiCert ONE Account Manager", Args: args(cobra.NoArgs),
		Long: `Serves an emulated DigiCert ONE Account Manager as its API is documented, with one account and one administrator, whose token
is printed. Where the documents are silent or say two things it does what is harder to please, and by flags something
else. Faults are ordered by a scenario file or at /_emulator/faults, maintenance at /_emulator/maintenance. It listens on
loopback addresses only, without TLS, so it asks for no client certificates.`,
		Example: `rotatord emulate digicert-one --errors array --tokens-refused-with 404
rotatord emulate digicert-one --field token.end_date=expiry.date --field user.api_token.token=api_key --word ACTIVE=active`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkDigiCertOne(o); err != nil {
				return usage{err}
			}
			e := emulator.NewDigiCertOne(o)
			return f.serve(cmd, e, &e.Faults, func(string) { line(cmd.OutOrStdout(), "api_key:  %s", e.ManagerSecret()) })
		},
	}
	f.register(cmd)
	addDigiCertOneFlags(cmd, &o)
	return cmd
}

// addDigiCertOneFlags has one flag for each question that the vendor's documents leave open.
func addDigiCertOneFlags(cmd *cobra.Command, o *emulator.DigiCertOneOptions) {
	flags := cmd.Flags()
	flags.StringVar(&o.ManagerSecret, "api-key", "", "the administrator's token (default: a random one)")
	flags.StringVar((*string)(&o.Errors), "errors", "", "form of error bodies: object or array (default: in turn)")
	flags.StringVar((*string)(&o.RetryAfter), "retry-after", "", "form of Retry-After: seconds or date (default: in turn)")
	flags.IntVar(&o.DuplicateStatus, "duplicate-status", 409, "status of duplicate_error")
	flags.IntVar(&o.CreatedStatus, "created-status", 201, "status of a create call, 200 or 201")
	flags.StringToStringVar(&o.Fields, "field", nil, "another name for a field, such as `token.end_date=expiry.date`; may be repeated")
	flags.StringToStringVar(&o.Words, "word", nil, "another status word, such as `ACTIVE=active`; may be repeated")
	flags.StringVar(&o.Paths.UpdateUser, "update-user-path", "/user/{id}", "path at which PUT edits a user")
	flags.StringVar(&o.Paths.DeleteUser, "delete-user-path", "/user/{id}", "path at which DELETE deletes a user")
	flags.StringVar(&o.Paths.EnableUser, "enable-user-path", "/user/{id}/enable", "path at which PUT enables a user")
	flags.StringVar(&o.Paths.DisableUser, "disable-user-path", "/user/{id}/disable", "path at which PUT disables a user")
	flags.BoolVar(&o.SwitchUsersByStatus, "switch-users-by-status", false, "take a user's status in the full object, in place of enable and disable")
	flags.IntVar(&o.PageLimit, "page-limit", 0, "send lists as pages of at most so many items (0: bare arrays)")
	flags.IntVar(&o.TokensRefusedWith, "tokens-refused-with", 0, "be the older product without tokens per user: answer /api-access-token with 403 or 404")
	flags.IntVar(&o.MaxTokens, "max-tokens", 0, "how many tokens a user may have (0: any number)")
	flags.BoolVar(&o.NamesPerUser, "names-per-user", false, "let tokens of two users have the same name")
	flags.IntVar(&o.MaxNameLength, "max-name-length", 128, "how long a name may be")
	flags.BoolVar(&o.ShowLastUsed, "show-last-used", false, "show last_used_at")
	flags.DurationVar(&o.LastUsedLag, "last-used-lag", 0, "interval at which last_used_at is published")
	flags.DurationVar(&o.NewTokenRefusedFor, "new-token-refused-for", 0, "how long a new token does not authenticate")
	flags.DurationVar(&o.NewListedAfter, "new-listed-after", 0, "how long a new token or user is missing from lists")
	flags.DurationVar(&o.DisabledAcceptedFor, "disabled-accepted-for", 0, "how long a disabled or deleted token still authenticates")
}

func checkDigiCertOne(o emulator.DigiCertOneOptions) error {
	if !slices.Contains([]emulator.DigiCertOneErrors{emulator.ErrorsInTurn, emulator.ErrorsAsOne, emulator.ErrorsAsArray}, o.Errors) {
		return fmt.Errorf("--errors is %q; write object or array", o.Errors)
	}
	if !slices.Contains([]emulator.DigiCertOneRetryAfter{emulator.RetryAfterInTurn, emulator.RetryAfterSeconds, emulator.RetryAfterDate}, o.RetryAfter) {
		return fmt.Errorf("--retry-after is %q; write seconds or date", o.RetryAfter)
	}
	if !slices.Contains([]int{0, 403, 404}, o.TokensRefusedWith) {
		return fmt.Errorf("--tokens-refused-with is %d; write 403 or 404", o.TokensRefusedWith)
	}
	if !slices.Contains([]int{200, 201}, o.CreatedStatus) {
		return fmt.Errorf("--created-status is %d; write 200 or 201", o.CreatedStatus)
	}
	if o.DuplicateStatus < 400 || o.DuplicateStatus > 499 {
		return fmt.Errorf("--duplicate-status is %d; it must lie between 400 and 499", o.DuplicateStatus)
	}
	return nil
}
