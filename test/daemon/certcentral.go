package daemon

import (
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rotatord/rotatord/emulator"
)

// certCentral is an account at DigiCert CertCentral.
type certCentral struct{ *emulator.CertCentral }

// CertCentral makes a system of an emulated account.
func CertCentral(account *emulator.CertCentral) System { return certCentral{account} }

// Emulate serves an emulated account at CertCentral until the test ends.
func Emulate(t testing.TB, o emulator.CertCentralOptions) *Emulator {
	t.Helper()
	return Serve(t, CertCentral(emulator.NewCertCentral(o)))
}

func (s certCentral) Orders() *emulator.Faults { return &s.Faults }
func (s certCentral) Name() string             { return "cc" }

func (s certCentral) Options(root string) string {
	return fmt.Sprintf("type: certcentral, base_url: %q, api_key_file: $DIR/cc.key", root+s.BasePath())
}

func (s certCentral) NewService(name, key string, age time.Duration) (Service, error) {
	user := s.AddUser(emulator.CertCentralUser{Username: name, Email: name + "@example.com"})
	id, secret, err := s.AddKey(emulator.CertCentralKey{UserID: user, Name: key, Created: time.Now().Add(-age)})
	return Service{Name: name, Key: key, UserID: strconv.FormatInt(user, 10), KeyID: strconv.FormatInt(id, 10), Secret: secret}, err
}

func (s certCentral) Keys(userID string) (keys []Key) {
	id, err := strconv.ParseInt(userID, 10, 64)
	if err != nil && userID != "" {
		return nil
	}
	for _, k := range s.CertCentral.Keys(id) {
		keys = append(keys, ofCertCentral(k))
	}
	return keys
}

func (s certCentral) KeyOfSecret(secret string) (Key, bool) {
	k, ok := s.CertCentral.KeyOfSecret(secret)
	return ofCertCentral(k), ok
}

func ofCertCentral(k emulator.CertCentralKey) Key {
	return Key{
		ID: strconv.FormatInt(k.ID, 10), UserID: strconv.FormatInt(k.UserID, 10), Name: k.Name, Status: k.Status,
		Created: k.Created, Ended: k.Revoked,
	}
}

func (s certCentral) Consumer() (path, header string) { return "/user/me", "X-DC-DEVKEY" }

func (s certCentral) Request(method, path string) string {
	switch {
	case method == http.MethodPost && path == "/user":
		return RequestUser
	case method == http.MethodPost && strings.HasPrefix(path, "/key/user/"):
		return RequestMint
	case method == http.MethodPut && strings.HasPrefix(path, "/key/") && strings.HasSuffix(path, "/status"):
		return RequestRevoke
	case path == "/user/me":
		return RequestCheck
	case path == "/key":
		return RequestList
	case path == "/user/api-only":
		return RequestUsers
	default:
		return ""
	}
}

var certCentralKey = regexp.MustCompile(`"api_key":\s*"([^"]+)`)

func (s certCentral) Shown() *regexp.Regexp { return certCentralKey }
