package daemon

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/rotatord/rotatord/emulator"
)

// Dataspot is a tenant of an emulated dataspot. server.
type Dataspot struct {
	*emulator.Dataspot
	tenant, more string
}

// DataspotTenant makes a system of one tenant. More are further settings of the provider.
func DataspotTenant(server *emulator.Dataspot, tenant, more string) *Dataspot {
	return &Dataspot{server, tenant, more}
}

// Orders are the server's faults.
func (s *Dataspot) Orders() *emulator.Faults { return &s.Faults }

// Name is the tenant's in lower case.
func (s *Dataspot) Name() string { return strings.ToLower(s.tenant) }

// ManagerSecret is the key of the tenant's administrator.
func (s *Dataspot) ManagerSecret() string { return s.Dataspot.ManagerSecret(s.tenant) }

// Options name the tenant, with its own file for the key of its administrator, because several may stand side by side.
func (s *Dataspot) Options(root string) string {
	options := fmt.Sprintf("type: dataspot, base_url: %q, database: %s, tenant: %s, access_key_file: $DIR/%s.key",
		root+s.BasePath(), s.Database(), s.tenant, s.Name())
	if s.more != "" {
		options += ", " + s.more
	}
	return options
}

// NewService makes a service user with a key that ends in ten days.
func (s *Dataspot) NewService(name, key string, age time.Duration) (Service, error) {
	user, err := s.AddUser(emulator.DataspotUser{Tenant: s.tenant, LoginID: name})
	if err != nil {
		return Service{}, err
	}
	now := time.Now()
	id, value, err := s.AddKey(emulator.DataspotKey{UserID: user, Name: key, Created: now.Add(-age), Expires: now.Add(10 * 24 * time.Hour)})
	return Service{Name: name, Key: key, UserID: user, KeyID: id, Secret: value}, err
}

// Keys are those that were not removed.
func (s *Dataspot) Keys(userID string) (keys []Key) {
	for _, k := range s.Dataspot.Keys(userID) {
		keys = append(keys, ofDataspot(k))
	}
	return keys
}

// KeyOfSecret knows removed keys too.
func (s *Dataspot) KeyOfSecret(secret string) (Key, bool) {
	k, ok := s.Dataspot.KeyOfSecret(secret)
	return ofDataspot(k), ok
}

func ofDataspot(k emulator.DataspotKey) Key {
	status := KeyActive
	switch {
	case !k.Removed.IsZero():
		status = "removed"
	case k.Expires.Before(time.Now()):
		status = "expired"
	}
	return Key{ID: k.ID, UserID: k.UserID, Name: k.Name, Status: status, Created: k.Created, Expires: k.Expires, Ended: k.Removed}
}

// Consumer asks for the tenant.
func (s *Dataspot) Consumer() (path, header string) {
	return "/rest/" + s.Database() + "/tenants/" + s.tenant, "dataspot-access-key"
}

// Request tells the calls apart.
func (s *Dataspot) Request(method, path string) string {
	users := "/rest/" + s.Database() + "/users"
	switch {
	case method == http.MethodPost && path == users:
		return RequestUser
	case strings.HasPrefix(path, users+"/") && (method == http.MethodPatch || method == http.MethodPut):
		return RequestMint
	case method == http.MethodDelete:
		return RequestRevoke
	case strings.Contains(path, "/tenants/"):
		return RequestCheck
	case path == users:
		return RequestUsers
	default:
		return ""
	}
}

var dataspotValue = regexp.MustCompile(`"value":\s*"([^"]+)`)

// Shown finds the value of a key.
func (s *Dataspot) Shown() *regexp.Regexp { return dataspotValue }
