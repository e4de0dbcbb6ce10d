package daemon

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/rotatord/rotatord/emulator"
)

// digiCertOne is an instance of DigiCert ONE in which a key is an API token.
type digiCertOne struct{ *emulator.DigiCertOne }

// DigiCertOneTokens makes a system of an emulated instance in token mode.
func DigiCertOneTokens(instance *emulator.DigiCertOne) System { return digiCertOne{instance} }

func (s digiCertOne) Orders() *emulator.Faults { return &s.Faults }
func (s digiCertOne) Name() string             { return "one" }

func (s digiCertOne) Options(root string) string { return s.options(root, "token") }

func (s digiCertOne) options(root, mode string) string {
	return fmt.Sprintf("type: digicert_one, mode: %s, base_url: %q, api_key_file: $DIR/one.key", mode, root)
}

func (s digiCertOne) NewService(name, key string, age time.Duration) (Service, error) {
	made := time.Now().Add(-age)
	user, _, err := s.AddServiceUser(emulator.DigiCertOneUser{FriendlyName: name, Email: name + "@example.com", Created: made})
	if err != nil {
		return Service{}, err
	}
	id, secret, err := s.AddToken(emulator.DigiCertOneToken{UserID: user, Name: key, Created: made})
	return Service{Name: name, Key: key, UserID: user, KeyID: id, Secret: secret}, err
}

func (s digiCertOne) Keys(userID string) (keys []Key) {
	for _, t := range s.Tokens(userID) {
		keys = append(keys, ofToken(t))
	}
	return keys
}

func (s digiCertOne) KeyOfSecret(secret string) (Key, bool) {
	t, ok := s.TokenOfSecret(secret)
	return ofToken(t), ok
}

func ofToken(t emulator.DigiCertOneToken) Key {
	return Key{
		ID: t.ID, UserID: t.UserID, Name: t.Name, Status: oneStatus(t.Disabled, t.EndDate), Created: t.Created, Ended: t.Stopped,
		Expires: endOf(t.EndDate),
	}
}

// endOf is the last second of an end date; zero for none.
func endOf(date string) time.Time {
	day, err := time.Parse(time.DateOnly, date)
	if err != nil {
		return time.Time{}
	}
	return day.Add(24*time.Hour - time.Second)
}

func oneStatus(disabled bool, endDate string) string {
	switch {
	case disabled:
		return "disabled"
	case endDate != "" && endDate < time.Now().UTC().Format(time.DateOnly):
		return "expired"
	default:
		return KeyActive
	}
}

func (s digiCertOne) Consumer() (path, header string) { return "/user/me", "X-Api-Key" }

func (s digiCertOne) Request(method, path string) string {
	switch {
	case method == http.MethodPost && path == "/user":
		return RequestUser
	case method == http.MethodPost && path == "/api-access-token":
		return RequestMint
	case method == http.MethodPut && strings.HasPrefix(path, "/api-access-token/"):
		return RequestDisable
	case method == http.MethodDelete && strings.HasPrefix(path, "/api-access-token/"):
		return RequestRevoke
	case path == "/user/me":
		return RequestCheck
	case path == "/api-access-token":
		return RequestList
	case path == "/user":
		return RequestUsers
	default:
		return ""
	}
}

var digiCertOneToken = regexp.MustCompile(`"token":\s*"([^"]+)`)

func (s digiCertOne) Shown() *regexp.Regexp { return digiCertOneToken }

// recreated is an instance of DigiCert ONE in which a key is a service user.
type recreated struct{ digiCertOne }

// DigiCertOneUsers makes a system of an emulated instance in recreate mode.
func DigiCertOneUsers(instance *emulator.DigiCertOne) System { return recreated{digiCertOne{instance}} }

func (s recreated) Options(root string) string { return s.options(root, "recreate") }

// NewService puts a service user with its one token into the instance. The key has the user's name, whatever is asked for.
func (s recreated) NewService(name, _ string, age time.Duration) (Service, error) {
	id, secret, err := s.AddServiceUser(emulator.DigiCertOneUser{
		FriendlyName: name, Description: "what " + name + " is for", Email: name + "@example.com", Created: time.Now().Add(-age),
		FirstToken: name + " token", Roles: []string{"AM_DEFAULT_USER", "STM_SIGNER"},
	})
	return Service{Name: name, Key: name, UserID: name, KeyID: id, Secret: secret}, err
}

// successor is how the name of a service user that was made in the place of another ends.
var successor = regexp.MustCompile(`-r\d{4,}$`)

func (s recreated) Keys(userID string) (keys []Key) {
	for _, u := range s.Users() {
		if k := ofUser(u); !u.Person && (userID == "" || k.UserID == userID) {
			keys = append(keys, k)
		}
	}
	return keys
}

func (s recreated) KeyOfSecret(secret string) (Key, bool) {
	t, ok := s.TokenOfSecret(secret)
	if !ok {
		return Key{}, false
	}
	u, ok := s.User(t.UserID)
	return ofUser(u), ok
}

func ofUser(u emulator.DigiCertOneUser) Key {
	return Key{
		ID: u.ID, UserID: successor.ReplaceAllString(u.FriendlyName, ""), Name: u.FriendlyName,
		Status: oneStatus(u.Disabled, u.EndDate), Created: u.Created, Ended: u.Stopped, Expires: endOf(u.EndDate),
	}
}

func (s recreated) Request(method, path string) string {
	switch {
	case method == http.MethodPost && path == "/user":
		return RequestMint
	case method == http.MethodPut && strings.HasSuffix(path, "/disable"):
		return RequestDisable
	case method == http.MethodDelete && strings.HasPrefix(path, "/user/"):
		return RequestRevoke
	case path == "/user/me":
		return RequestCheck
	case path == "/user":
		return RequestList
	default:
		return ""
	}
}
