package digicertone

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Fields are the names of JSON fields, in requests and in answers alike. A dot leads into an object: "api_token.token".
//
// Documented (GET /user, in the vendor's "get started" guide) are UserID, UserName, UserDescription, UserEmail, UserStatus,
// UserType, UserCreated, UserManagers and UserAccount. All others are inferred. An empty name means that the instance has no
// such field; only those that can be done without may be empty.
type Fields struct {
	UserID, UserName, UserDescription, UserEmail, UserStatus, UserType, UserCreated, UserEndDate string
	// UserAccounts, UserManagers and UserRoles are lists of ids, or of objects with an id.
	UserAccounts, UserManagers, UserRoles string
	// UserAccount is the user's primary account.
	UserAccount string
	// CreatedToken, CreatedTokenID and CreatedTokenEndDate are in the answer to the creation of a user alone. The first
	// is the token's value.
	CreatedToken, CreatedTokenID, CreatedTokenEndDate string

	TokenID, TokenName, TokenUserID, TokenStatus, TokenEndDate, TokenCreated string
	// TokenLastUsed is empty by default: no document shows that use is reported.
	TokenLastUsed string
	// TokenValue is in the answer to the creation of a token alone.
	TokenValue string
}

// DefaultFields are the documented and the inferred names.
func DefaultFields() Fields {
	return Fields{ //nolint:gosec // names of fields, some of which hold tokens
		UserID: "id", UserName: "friendly_name", UserDescription: "description", UserEmail: "email", UserStatus: "status",
		UserType: "user_type", UserCreated: "created_at", UserEndDate: "end_date", UserAccounts: "accounts",
		UserManagers: "applications", UserRoles: "roles", UserAccount: "primary_account_id",
		CreatedToken: "api_token.token", CreatedTokenID: "api_token.id", CreatedTokenEndDate: "api_token.end_date",
		TokenID: "id", TokenName: "name", TokenUserID: "user_id", TokenStatus: "status", TokenEndDate: "end_date",
		TokenCreated: "created_at", TokenValue: "token",
	}
}

// field is one entry of the mapping: its name in the configuration, and the JSON name.
type field struct {
	setting, name string
	optional      bool
}

func (f Fields) all() []field {
	return []field{
		f.userID(), f.userName(), f.userStatus(), f.userType(), f.userEndDate(), f.userAccounts(), f.userManagers(), f.userRoles(),
		f.userEmail(), f.userDescription(), f.userCreated(), f.userAccount(),
		f.createdToken(), f.createdTokenID(), f.createdTokenEndDate(),
		f.tokenID(), f.tokenName(), f.tokenUserID(), f.tokenStatus(), f.tokenEndDate(), f.tokenCreated(), f.tokenLastUsed(), f.tokenValue(),
	}
}

func (f Fields) userID() field       { return field{"user_id", f.UserID, false} }
func (f Fields) userName() field     { return field{"user_name", f.UserName, false} }
func (f Fields) userStatus() field   { return field{"user_status", f.UserStatus, false} }
func (f Fields) userType() field     { return field{"user_type", f.UserType, false} }
func (f Fields) userEndDate() field  { return field{"user_end_date", f.UserEndDate, false} }
func (f Fields) userAccounts() field { return field{"user_accounts", f.UserAccounts, false} }
func (f Fields) userManagers() field { return field{"user_managers", f.UserManagers, false} }
func (f Fields) userRoles() field    { return field{"user_roles", f.UserRoles, false} }
func (f Fields) userEmail() field    { return field{"user_email", f.UserEmail, false} }
func (f Fields) userDescription() field {
	return field{"user_description", f.UserDescription, true}
}
func (f Fields) userCreated() field    { return field{"user_created", f.UserCreated, true} }
func (f Fields) userAccount() field    { return field{"user_account", f.UserAccount, true} }
func (f Fields) createdToken() field   { return field{"created_token", f.CreatedToken, false} }
func (f Fields) createdTokenID() field { return field{"created_token_id", f.CreatedTokenID, true} }
func (f Fields) createdTokenEndDate() field {
	return field{"created_token_end_date", f.CreatedTokenEndDate, true}
}
func (f Fields) tokenID() field       { return field{"token_id", f.TokenID, false} }
func (f Fields) tokenName() field     { return field{"token_name", f.TokenName, false} }
func (f Fields) tokenUserID() field   { return field{"token_user_id", f.TokenUserID, false} }
func (f Fields) tokenStatus() field   { return field{"token_status", f.TokenStatus, false} }
func (f Fields) tokenEndDate() field  { return field{"token_end_date", f.TokenEndDate, false} }
func (f Fields) tokenCreated() field  { return field{"token_created", f.TokenCreated, true} }
func (f Fields) tokenLastUsed() field { return field{"token_last_used", f.TokenLastUsed, true} }
func (f Fields) tokenValue() field    { return field{"token_value", f.TokenValue, false} }

// check names every entry that cannot be used.
func (f Fields) check() error {
	var mistakes []error
	for _, entry := range f.all() {
		switch {
		case entry.name == "" && !entry.optional:
			mistakes = append(mistakes, fmt.Errorf("fields.%s must not be empty: nothing works without that field", entry.setting))
		case entry.name != "" && slices.Contains(strings.Split(entry.name, "."), ""):
			mistakes = append(mistakes, fmt.Errorf("fields.%s %q has a dot without a name beside it", entry.setting, entry.name))
		}
	}
	return errors.Join(mistakes...)
}

// Statuses are the words for the states of users and tokens. ACTIVE is documented; the other two are inferred from the names
// of the states in the console. Words that are none of these are [rotator.KeyOther].
type Statuses struct{ Active, Disabled, Expired string }

// DefaultStatuses are the documented and the inferred words.
func DefaultStatuses() Statuses {
	return Statuses{Active: "ACTIVE", Disabled: "DISABLED", Expired: "EXPIRED"}
}

func (s Statuses) check() error {
	if s.Active == "" || s.Disabled == "" || s.Expired == "" || s.Active == s.Disabled || s.Active == s.Expired || s.Disabled == s.Expired {
		return errors.New("the status words must be three different ones")
	}
	return nil
}

// Paths are those below the API's root that are not documented in full. Each holds {id}.
type Paths struct {
	// UpdateUser is inferred: the documents tell that users can be edited, and not how.
	UpdateUser string
	// DeleteUser is inferred: the documents tell that such an operation exists, and not its path.
	DeleteUser string
	// EnableUser and DisableUser are inferred from what certificates have. With [Options.SwitchUsersByStatus] they are not used.
	EnableUser, DisableUser string
}

// DefaultPaths are the inferred ones.
func DefaultPaths() Paths {
	return Paths{UpdateUser: "/user/{id}", DeleteUser: "/user/{id}", EnableUser: "/user/{id}/enable", DisableUser: "/user/{id}/disable"}
}

// path is one entry of [Paths] with its name in the configuration.
type path struct{ setting, text string }

func (p Paths) updateUser() path  { return path{"paths.update_user", p.UpdateUser} }
func (p Paths) deleteUser() path  { return path{"paths.delete_user", p.DeleteUser} }
func (p Paths) enableUser() path  { return path{"paths.enable_user", p.EnableUser} }
func (p Paths) disableUser() path { return path{"paths.disable_user", p.DisableUser} }

func (p Paths) check() error {
	var mistakes []error
	for _, entry := range []path{p.updateUser(), p.deleteUser(), p.enableUser(), p.disableUser()} {
		if !strings.HasPrefix(entry.text, "/") || strings.Count(entry.text, "{id}") != 1 || strings.ContainsAny(entry.text, "?#") {
			mistakes = append(mistakes, fmt.Errorf("%s %q must begin with / and hold {id} once, as in /user/{id}", entry.setting, entry.text))
		}
	}
	return errors.Join(mistakes...)
}

// of puts an id, which validID has passed, into the path.
func (p path) of(id string) string { return strings.ReplaceAll(p.text, "{id}", id) }
