package certcentral_test

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rotatord/rotatord/emulator"
	"github.com/rotatord/rotatord/providers/certcentral"
	"github.com/rotatord/rotatord/rotator"
)

// seen is a visitor that counts how often each user and key came.
type seen struct {
	users map[string]int
	keys  map[string]rotator.Key
	slow  time.Duration
}

func (s *seen) User(u rotator.ServiceUser) error {
	time.Sleep(s.slow)
	s.users[u.ID]++
	return nil
}

func (s *seen) Key(k rotator.Key) error {
	time.Sleep(s.slow)
	s.keys[k.ID] = k
	return nil
}

func newSeen() *seen { return &seen{users: map[string]int{}, keys: map[string]rotator.Key{}} }

func scanned(t *testing.T, p *certcentral.Provider) *seen {
	t.Helper()
	s := newSeen()
	if err := p.Scan(t.Context(), rotator.Scope{}, s); err != nil {
		t.Fatalf("Scan: %v", err)
	}
	return s
}

func str(id int64) string { return strconv.FormatInt(id, 10) }

func mustKind(t *testing.T, err error, want rotator.Kind) {
	t.Helper()
	if err == nil || rotator.KindOf(err) != want {
		t.Fatalf("got %v, want kind %s", err, want)
	}
}

func TestNewNamesEveryMistake(t *testing.T) {
	_, err := certcentral.New(certcentral.Options{BaseURL: "digicert.com", ServiceUsersPath: "user", PageSize: -1, Rates: []certcentral.Rate{{}}})
	if err == nil {
		t.Fatal("New took options that make no sense")
	}
	for _, part := range []string{"base URL", "manager key", "must begin with /", "page size", "rate"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("the error does not speak of the %s: %v", part, err)
		}
	}
	_, err = certcentral.New(certcentral.Options{BaseURL: "https://user:hunter2@example.com", Key: fixed("x")})
	if err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("a base URL with a password: got %v", err)
	}
}

func TestAManagerKeyThatWasRotatedIsPickedUp(t *testing.T) {
	a := newAccount(t, emulator.CertCentralOptions{})
	manager, _ := a.KeyOfSecret(a.ManagerSecret())
	_, next := a.addKey(t, emulator.CertCentralKey{UserID: manager.UserID, Name: "manager-2"})
	var file atomic.Pointer[string]
	file.Store(new(a.ManagerSecret()))
	p := a.provider(t, certcentral.Options{Key: func() (rotator.Secret, error) { return rotator.SecretString(*file.Load() + "\n"), nil }})
	user := str(a.AddUser(emulator.CertCentralUser{}))
	scanned(t, p)

	file.Store(new(string(next.Reveal())))
	if err := a.SetKeyStatus(manager.ID, "revoked"); err != nil {
		t.Fatal(err)
	}
	_, err := p.Mint(t.Context(), rotator.MintRequest{UserID: user, Name: "ci"})
	mustKind(t, err, rotator.Denied)
	if _, err := p.Mint(t.Context(), rotator.MintRequest{UserID: user, Name: "ci"}); err != nil {
		t.Errorf("the mint after the one that was refused: %v", err)
	}

	if err := a.SetKeyStatus(manager.ID, "active"); err != nil {
		t.Fatal(err)
	}
	file.Store(new(a.ManagerSecret()))
	before := a.Usage(manager.ID).OK
	scanned(t, p)
	if a.Usage(manager.ID).OK == before {
		t.Error("a scan did not read the key anew")
	}
}

func TestAManagerKeyThatDiesAmidAReadIsReplacedInIt(t *testing.T) {
	a := newAccount(t, emulator.CertCentralOptions{})
	manager, _ := a.KeyOfSecret(a.ManagerSecret())
	_, next := a.addKey(t, emulator.CertCentralKey{UserID: manager.UserID, Name: "manager-2"})
	var file atomic.Pointer[string]
	file.Store(new(a.ManagerSecret()))
	p := a.provider(t, certcentral.Options{Key: func() (rotator.Secret, error) { return rotator.SecretString(*file.Load()), nil }})
	if _, err := p.ShowUser(t.Context(), "me"); err != nil {
		t.Fatal(err)
	}
	file.Store(new(string(next.Reveal())))
	if err := a.SetKeyStatus(manager.ID, "revoked"); err != nil {
		t.Fatal(err)
	}
	if _, err := p.ShowUser(t.Context(), "me"); err != nil {
		t.Errorf("ShowUser(me): %v", err)
	}
}

func TestAManagerKeyThatCannotBeReadSaysSo(t *testing.T) {
	a := newAccount(t, emulator.CertCentralOptions{})
	for name, key := range map[string]func() (rotator.Secret, error){
		"no file":     func() (rotator.Secret, error) { return rotator.Secret{}, errors.New("open key: no such file") },
		"empty file":  fixed(" \n"),
		"two lines":   fixed("one\ntwo"),
		"a byte mark": fixed("\ufeffkey"),
	} {
		err := a.provider(t, certcentral.Options{Key: key}).Scan(t.Context(), rotator.Scope{}, newSeen())
		if err == nil || !strings.Contains(err.Error(), "manager key") {
			t.Errorf("%s: got %v, want an error about the manager key", name, err)
		}
	}
	if n := a.requests(func(string) bool { return true }); n != 0 {
		t.Errorf("%d requests were made without a key", n)
	}
}

func TestServiceUsersAreFoundWhereThisServerHasThem(t *testing.T) {
	a := newAccount(t, emulator.CertCentralOptions{ServiceUsersPath: "/service-user"})
	user := str(a.AddUser(emulator.CertCentralUser{}))
	p := a.provider(t, certcentral.Options{})
	for range 2 {
		if s := scanned(t, p); s.users[user] != 1 {
			t.Errorf("the users came as %v", s.users)
		}
	}
	if n := a.requests(func(s string) bool { return s == "GET /user/api-only" }); n != 1 {
		t.Errorf("the path that is not there was asked for %d times, want once", n)
	}
	configured := a.provider(t, certcentral.Options{ServiceUsersPath: "/user/api-only"})
	mustKind(t, configured.Scan(t.Context(), rotator.Scope{}, newSeen()), rotator.Gone)
}

func TestWhoIsListed(t *testing.T) {
	a := newAccount(t, emulator.CertCentralOptions{})
	service := str(a.AddUser(emulator.CertCentralUser{}))
	elsewhere := str(a.AddUser(emulator.CertCentralUser{Container: 77}))
	person := str(a.AddUser(emulator.CertCentralUser{Person: true, Email: "jane@example.com"}))
	admin := str(a.Keys(0)[0].UserID)
	for _, c := range []struct {
		name string
		o    certcentral.Options
		want map[string]int
	}{
		{"service users", certcentral.Options{}, map[string]int{service: 1, elsewhere: 1}},
		{"one container", certcentral.Options{ContainerID: 77}, map[string]int{elsewhere: 1}},
		{"all users, each once", certcentral.Options{AllUsers: true, PageSize: 2}, map[string]int{service: 1, elsewhere: 1, person: 1, admin: 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, scanned(t, a.provider(t, c.o)).users); diff != "" {
				t.Errorf("users differ (-want +got):\n%s", diff)
			}
		})
	}
}

func TestWhatIsSaidOfAKey(t *testing.T) {
	created, used := time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC), time.Date(2021, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, layout := range []string{"", "2006-01-02T15:04:05Z", "2006-01-02 15:04:05"} {
		a := newAccount(t, emulator.CertCentralOptions{DateLayout: layout})
		user := a.AddUser(emulator.CertCentralUser{})
		p := a.provider(t, certcentral.Options{})
		for status, want := range map[string]rotator.KeyState{
			"active": rotator.KeyActive, "revoked": rotator.KeyRevoked, "inactive": rotator.KeyDisabled, "deactivated": rotator.KeyDisabled, "new_word": rotator.KeyOther,
		} {
			id, _ := a.addKey(t, emulator.CertCentralKey{UserID: user, Name: "ci", Status: status, Created: created, LastUsed: used})
			got, err := p.GetKey(t.Context(), id)
			wantKey := rotator.Key{ID: id, UserID: str(user), Name: "ci", Created: created, LastUsed: used, State: want}
			if diff := cmp.Diff(wantKey, got); diff != "" || err != nil {
				t.Errorf("%v, the key differs (-want +got):\n%s", err, diff)
			}
		}
	}
}

func TestMintedKeysAreRestrictedAsConfigured(t *testing.T) {
	a := newAccount(t, emulator.CertCentralOptions{})
	user := a.AddUser(emulator.CertCentralUser{})
	for _, role := range []*int{nil, new(0), new(102)} {
		m, err := a.provider(t, certcentral.Options{RestrictedToRoleID: role}).Mint(t.Context(), rotator.MintRequest{UserID: str(user), Name: "ci"})
		if err != nil {
			t.Fatal(err)
		}
		want := int64(0)
		if role != nil {
			want = int64(*role)
		}
		if k, _ := a.Key(parse(t, m.KeyID)); k.RestrictedTo != want {
			t.Errorf("the key is restricted to %d, want %d", k.RestrictedTo, want)
		}
	}
	m, err := a.provider(t, certcentral.Options{RestrictedToRoleID: new(100)}).Mint(t.Context(), rotator.MintRequest{UserID: str(user), Name: "ci", Restriction: "102"})
	if err != nil {
		t.Fatal(err)
	}
	if k, _ := a.Key(parse(t, m.KeyID)); k.RestrictedTo != 102 {
		t.Errorf("the replacement of a key restricted to 102 is restricted to %d", k.RestrictedTo)
	}
	mustKind(t, mintErr(t, a.provider(t, certcentral.Options{RestrictedToRoleID: new(5)}), user), rotator.Invalid)
	mustKind(t, mintErr(t, a.provider(t, certcentral.Options{MaxNameLength: 3}), user), rotator.Invalid)
	mustKind(t, mintErr(t, a.provider(t, certcentral.Options{}), 99), rotator.Gone)
}

func mintErr(t *testing.T, p *certcentral.Provider, user int64) error {
	t.Helper()
	_, err := p.Mint(t.Context(), rotator.MintRequest{UserID: str(user), Name: "ci-r0001"})
	return err
}

func TestAMintThatNeverLeftPromisesThatNoKeyWasMade(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := "http://" + listener.Addr().String()
	_ = listener.Close()
	for name, base := range map[string]string{"nobody listens": nobody, "no such host": "https://host.invalid", "no TLS there": "https" + strings.TrimPrefix(newAccount(t, emulator.CertCentralOptions{}).url, "http")} {
		p, err := certcentral.New(certcentral.Options{BaseURL: base, Key: fixed("key"), Timeout: 5 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		if err := mintErr(t, p, 1); rotator.KindOf(err) != rotator.Transient {
			t.Errorf("%s: got %v, want a transient fault", name, err)
		}
	}
}

func TestASilentServiceIsNotWaitedForForever(t *testing.T) {
	a := newAccount(t, emulator.CertCentralOptions{})
	user := a.AddUser(emulator.CertCentralUser{})
	p := a.provider(t, certcentral.Options{Timeout: 50 * time.Millisecond})
	hour := emulator.Duration(time.Hour)
	a.order(t,
		emulator.Fault{Match: emulator.Match{Method: "POST"}, Effect: emulator.Effect{Kind: emulator.EffectDelay, AfterEffect: true, Delay: hour}},
		emulator.Fault{Match: emulator.Match{Path: "/user/me"}, Effect: emulator.Effect{Kind: emulator.EffectSlow, Delay: hour}},
		emulator.Fault{Match: emulator.Match{Path: "/key"}, Effect: emulator.Effect{Kind: emulator.EffectSlow, Delay: hour, Bytes: 5}},
	)
	mustKind(t, mintErr(t, p, user), rotator.UnknownOutcome)
	if got := len(a.Keys(user)); got != 1 {
		t.Errorf("the system has %d keys, want the one whose answer never came", got)
	}
	_, err := p.ShowUser(t.Context(), "me")
	mustKind(t, err, rotator.Transient)
	err = p.Scan(t.Context(), rotator.Scope{}, newSeen())
	mustKind(t, err, rotator.Transient)
	if !strings.Contains(err.Error(), "in time") {
		t.Errorf("the fault does not say that it was a matter of time: %v", err)
	}
}

func TestARedirectIsNotFollowedWithAKey(t *testing.T) {
	var elsewhere atomic.Int32
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) }))
	defer other.Close()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other.URL, http.StatusTemporaryRedirect)
	}))
	defer server.Close()
	p, err := certcentral.New(certcentral.Options{BaseURL: server.URL, Key: fixed("key")})
	if err != nil {
		t.Fatal(err)
	}
	mustKind(t, p.Scan(t.Context(), rotator.Scope{}, newSeen()), rotator.Invalid)
	mustKind(t, mintErr(t, p, 1), rotator.UnknownOutcome)
	mustKind(t, p.Check(t.Context(), "1", rotator.SecretString("key")), rotator.Transient)
	if elsewhere.Load() != 0 {
		t.Error("the redirect was followed")
	}
}

func TestACheckUsesTheSecretAlone(t *testing.T) {
	a := newAccount(t, emulator.CertCentralOptions{})
	user := a.AddUser(emulator.CertCentralUser{})
	_, secret := a.addKey(t, emulator.CertCentralKey{UserID: user, Name: "ci"})
	p := a.provider(t, certcentral.Options{
		Rates: []certcentral.Rate{{Requests: 1, Per: time.Hour}},
		Key:   func() (rotator.Secret, error) { return rotator.Secret{}, errors.New("the manager key was asked for") },
	})
	for range 3 {
		if err := p.Check(t.Context(), str(user), secret); err != nil {
			t.Fatalf("Check: %v", err)
		}
	}
}

func TestRetireBelievesOnlyTheService(t *testing.T) {
	a := newAccount(t, emulator.CertCentralOptions{})
	user := a.AddUser(emulator.CertCentralUser{})
	p := a.provider(t, certcentral.Options{})
	status := func(code int, body string) emulator.Fault {
		return emulator.Fault{Match: emulator.Match{Method: "PUT"}, Count: 1, Effect: emulator.Effect{Kind: emulator.EffectStatus, Status: code, Body: body}}
	}
	id, _ := a.addKey(t, emulator.CertCentralKey{UserID: user, Name: "old"})
	old := rotator.Key{ID: id, UserID: str(user)}

	a.order(t, status(404, "<html>nothing here</html>"))
	mustKind(t, p.Retire(t.Context(), old), rotator.Invalid)
	a.order(t, status(404, `{"errors":[{"code":"not_found|route","message":"no"}]}`))
	mustKind(t, p.Retire(t.Context(), old), rotator.Invalid)
	a.order(t, status(400, ""))
	mustKind(t, p.Retire(t.Context(), old), rotator.Invalid)
	if k, _ := a.Key(parse(t, id)); k.Status != "active" {
		t.Fatalf("the key is %s before it was retired", k.Status)
	}

	if err := p.Retire(t.Context(), old); err != nil {
		t.Fatalf("Retire: %v", err)
	}
	a.order(t, status(400, ""))
	if err := p.Retire(t.Context(), old); err != nil {
		t.Errorf("a second revocation that the service does not like: %v", err)
	}
	a.RemoveUser(user)
	if err := p.Retire(t.Context(), old); err != nil {
		t.Errorf("a key whose user is gone: %v", err)
	}
	mustKind(t, p.Retire(t.Context(), rotator.Key{ID: "1/../2"}), rotator.Invalid)
}

func TestASecretThatTheServiceRepeatsIsNotPassedOn(t *testing.T) {
	a := newAccount(t, emulator.CertCentralOptions{})
	user := a.AddUser(emulator.CertCentralUser{})
	_, secret := a.addKey(t, emulator.CertCentralKey{UserID: user, Name: "ci"})
	p := a.provider(t, certcentral.Options{})
	manager, checked := a.ManagerSecret(), string(secret.Reveal())
	body := fmt.Sprintf(`{"errors":[{"code":"x","message":"your key %s%s is odd"}]}`, manager, checked)
	a.order(t, emulator.Fault{Effect: emulator.Effect{Kind: emulator.EffectStatus, Status: 403, Body: body}})
	for _, c := range []struct {
		sent string
		err  error
	}{
		{manager, p.Scan(t.Context(), rotator.Scope{}, newSeen())},
		{manager, mintErr(t, p, user)},
		{manager, p.Retire(t.Context(), rotator.Key{ID: "1"})},
		{checked, p.Check(t.Context(), str(user), secret)},
	} {
		if c.err == nil || !strings.Contains(c.err.Error(), "is odd") || strings.Contains(c.err.Error(), c.sent) {
			t.Errorf("got %v, want the service's words without the key", c.err)
		}
	}
}

func TestNothingIsQuotedOfACreateThatMayHaveHappened(t *testing.T) {
	for _, status := range []int{302, 500, 503} {
		a := newAccount(t, emulator.CertCentralOptions{})
		user := a.AddUser(emulator.CertCentralUser{})
		a.order(t, emulator.Fault{Effect: emulator.Effect{Kind: emulator.EffectStatus, Status: status, AfterEffect: true,
			Body: `{"errors":[{"code":"audit","message":"made S3CR3T, and could not log it"}]}`}})
		err := mintErr(t, a.provider(t, certcentral.Options{}), user)
		mustKind(t, err, rotator.UnknownOutcome)
		if strings.Contains(err.Error(), "S3CR3T") || !strings.Contains(err.Error(), strconv.Itoa(status)) {
			t.Errorf("got %v, want the status and none of the service's words: they may hold the new key", err)
		}
	}
}

func TestAnAnswerWithoutEndIsCutOff(t *testing.T) {
	a := newAccount(t, emulator.CertCentralOptions{})
	a.order(t, emulator.Fault{Effect: emulator.Effect{Kind: emulator.EffectGarbage, Body: `{"id":1,"x":"` + strings.Repeat("x", 2<<20) + `"}`}})
	_, err := a.provider(t, certcentral.Options{}).ShowUser(t.Context(), "me")
	mustKind(t, err, rotator.Invalid)
}

func TestEveryRequestIsObserved(t *testing.T) {
	a := newAccount(t, emulator.CertCentralOptions{})
	user := a.AddUser(emulator.CertCentralUser{})
	id, secret := a.addKey(t, emulator.CertCentralKey{UserID: user, Name: "ci"})
	var mu sync.Mutex
	var got []string
	p := a.provider(t, certcentral.Options{Observe: func(operation, code string, _ time.Duration) {
		mu.Lock()
		defer mu.Unlock()
		got = append(got, operation+" "+code)
	}})
	a.order(t, emulator.Fault{Match: emulator.Match{Method: "POST"}, Count: 1, Effect: emulator.Effect{Kind: emulator.EffectLost}})
	scanned(t, p)
	mustKind(t, mintErr(t, p, user), rotator.UnknownOutcome)
	mustKind(t, mintErr(t, p, 99), rotator.Gone)
	if err := p.Check(t.Context(), str(user), secret); err != nil {
		t.Fatal(err)
	}
	if err := p.Retire(t.Context(), rotator.Key{ID: id}); err != nil {
		t.Fatal(err)
	}
	want := []string{"list_service_users 200", "list_keys 200", "create_key error", "create_key 404", "check 200", "set_key_status 204"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("observations differ (-want +got):\n%s", diff)
	}
}

func TestPreflight(t *testing.T) {
	a := newAccount(t, emulator.CertCentralOptions{})
	admin := a.Keys(0)[0].UserID
	second := a.AddUser(emulator.CertCentralUser{Person: true, Administrator: true, Email: "second@example.com"})
	person := a.AddUser(emulator.CertCentralUser{Person: true, Email: "person@example.com"})
	secretOf := func(k emulator.CertCentralKey) func() (rotator.Secret, error) {
		k.Name = "manager"
		_, s := a.addKey(t, k)
		return fixed(string(s.Reveal()))
	}
	for _, c := range []struct {
		name string
		o    certcentral.Options
		says []string // parts of the sentences, in order; none is fine
	}{
		{"all is well", certcentral.Options{RestrictedToRoleID: new(102)}, nil},
		{"a dead key", certcentral.Options{Key: secretOf(emulator.CertCentralKey{UserID: admin, Status: "revoked"})}, []string{"dead"}},
		{"a key that may only read", certcentral.Options{Key: secretOf(emulator.CertCentralKey{UserID: second, RestrictedTo: 102})}, []string{"restricted", "edit_users"}},
		{"no administrator", certcentral.Options{Key: secretOf(emulator.CertCentralKey{UserID: person})}, []string{"not an administrator", "view_users", "edit_users", "refused"}},
		{"a role that is none", certcentral.Options{RestrictedToRoleID: new(7)}, []string{"access role 7"}},
		{"a path that is none", certcentral.Options{ServiceUsersPath: "/robots"}, []string{"cannot be listed at /robots"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := a.provider(t, c.o).Preflight(t.Context())
			if err != nil || len(got) != len(c.says) {
				t.Fatalf("Preflight = %q, %v; want %d sentences", got, err, len(c.says))
			}
			for i, part := range c.says {
				if !strings.Contains(got[i], part) {
					t.Errorf("sentence %d is %q, want %q in it", i, got[i], part)
				}
			}
		})
	}
	if n := a.requests(func(s string) bool { return !strings.HasPrefix(s, "GET ") }); n != 0 {
		t.Errorf("the preflight made %d requests that write", n)
	}
	a.order(t, emulator.Fault{Effect: emulator.Effect{Kind: emulator.EffectStatus, Status: 500}})
	_, err := a.provider(t, certcentral.Options{}).Preflight(t.Context())
	mustKind(t, err, rotator.Transient)
}

func TestEachWriteHasAConnectionOfItsOwn(t *testing.T) {
	a := emulator.NewCertCentral(emulator.CertCentralOptions{Rates: []emulator.Rate{}})
	var dialled atomic.Int32
	server := httptest.NewUnstartedServer(a)
	server.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			dialled.Add(1)
		}
	}
	server.Start()
	defer server.Close()
	user := a.AddUser(emulator.CertCentralUser{})
	p, err := certcentral.New(certcentral.Options{BaseURL: server.URL + a.BasePath(), Key: fixed(a.ManagerSecret())})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := mintErr(t, p, user); err != nil {
			t.Fatal(err)
		}
	}
	if got := dialled.Load(); got != 3 {
		t.Errorf("3 writes used %d connections", got)
	}
}
