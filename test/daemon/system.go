package daemon

import (
	"net/http"
	"regexp"
	"time"

	"github.com/rotatord/rotatord/emulator"
)

// System is an issuing system under test: an emulated one, what a configuration says of it, and what is true of its keys.
type System interface {
	http.Handler
	// AdminHandler, BasePath and ManagerSecret are the emulator's own.
	AdminHandler() http.Handler
	BasePath() string
	ManagerSecret() string
	// Orders are its faults.
	Orders() *emulator.Faults
	// Name is what the provider is called in a configuration, and Options its other settings but for those of time: type,
	// address and credential, as in a flow mapping of YAML. Root is where the system is served, without a path. The credential
	// is in the file $DIR/NAME.key.
	Name() string
	Options(root string) string
	// NewService puts a service user into the account, with a key of that age.
	NewService(name, key string, age time.Duration) (Service, error)
	// Keys are the keys that there are of a user, in the order in which they were made; of everybody if the id is "".
	Keys(userID string) []Key
	// KeyOfSecret is the key that a secret belongs to.
	KeyOfSecret(secret string) (Key, bool)
	// Consumer is the path, below the base, and the header by which a consumer calls with its key.
	Consumer() (path, header string)
	// Request names what a call of the daemon is about: one of the Request constants, or "".
	Request(method, path string) string
	// Shown finds the secret in the answer to a creation.
	Shown() *regexp.Regexp
}

// What a call of the daemon is about. Not every system has all of them.
const (
	RequestList    = "list keys"
	RequestMint    = "mint"
	RequestCheck   = "check key"
	RequestDisable = "disable"
	RequestRevoke  = "revoke"
	RequestUsers   = "list users"
	RequestUser    = "create user"
)

// Key is a key as it truly is, whatever the system shows of it.
type Key struct {
	ID, UserID, Name string
	// Status is [KeyActive] while the system accepts the key, and else a word that says why it does not.
	Status  string
	Created time.Time
	// Expires is when it ends by itself. Zero for never.
	Expires time.Time
	// Ended is when it was revoked, disabled or removed last. Zero for never.
	Ended time.Time
}

// KeyActive is the status of a key that is accepted.
const KeyActive = "active"

// Service is a service user with the key that it began with, which a person once handed to it.
type Service struct {
	UserID, KeyID string
	// Name is the user's name, Key the key's.
	Name, Key string
	Secret    string
}
