package realfaults

import (
	"bytes"
	"compress/gzip"
	"database/sql"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rotatord/rotatord/emulator"
	"github.com/rotatord/rotatord/test/daemon"
)

// made is how a fixture is made: with the binary of the version in question, killed in the middle of its work.
//
//	go test ./test/realfaults -run TestUpgrade -made-by ./rotatord-of-then -schema 5 -store postgres
var (
	madeBy  = flag.String("made-by", "", "make the fixture of TestUpgrade anew with this binary")
	schema  = flag.Int("schema", 0, "the schema version of that fixture")
	storeOf = flag.String("store", "sqlite", "where its journal is: "+strings.Join(slices.Sorted(maps.Keys(stores)), " or "))
)

// store is a kind of journal.
type store struct {
	// first is the first schema of which a version kept its journal there.
	first int
	// configure has the daemon keep its journal there.
	configure func(t *testing.T, s *setting)
	// put puts the journal that a fixture holds in its place, and open opens it.
	put  func(x *site, content []byte)
	open func(x *site) (*sql.DB, error)
	// take copies the journal of a daemon that was killed.
	take func(x *site) []byte
	// file is how the name of a fixture's journal ends.
	file string
}

var stores = map[string]store{
	"sqlite": {
		first: 1, file: ".db", configure: func(*testing.T, *setting) {},
		put:  func(x *site, content []byte) { x.d.WriteFile("state/rotatord.db", string(content)) },
		open: func(x *site) (*sql.DB, error) { return sql.Open("sqlite", x.d.StorePath) },
		take: func(x *site) []byte {
			x.vacuum()
			content, err := os.ReadFile(x.d.Path(copied))
			if err != nil {
				x.t.Fatal(err)
			}
			return content
		},
	},
	"postgres": {first: 5, file: ".sql", configure: inPostgres, put: fromDump, open: openPostgres, take: dump},
}

// fixture is a journal that an older version left, and the world that it left it in. The journal itself lies beside it.
type fixture struct {
	// Dir is where the daemon worked, Day when.
	Dir, Day string
	SealKey  string
	Users    []string
	Keys     []fixtureKey
	// Files are those of the sink, by their paths below Dir.
	Files map[string]string
}

// fixtureKey is a key of a user, who is counted in the order of Users.
type fixtureKey struct {
	User                 int
	ID                   int64
	Name, Status, Secret string
	Created              time.Time
}

// endless makes nothing due, however old a fixture grows.
const endless = "max_age: 36500d, renew_before: 1d, grace: 10m, idle: 0s"

// TestUpgrade opens journals of each schema that there ever was with rotations in every stage in which they wait for somebody,
// and has them end. The present schema is one of them, and is there when the next one comes.
func TestUpgrade(t *testing.T) {
	t.Parallel()
	if *madeBy != "" {
		makeFixture(t, *schema, *madeBy, *storeOf)
		return
	}
	migrations, err := filepath.Glob("../../rotator/journal/migrations/*.sql")
	if err != nil || len(migrations) == 0 {
		t.Fatalf("no migrations are found: %v", err)
	}
	for name, s := range stores {
		for version := s.first; version <= len(migrations); version++ {
			t.Run(fmt.Sprintf("schema %d in %s", version, name), func(t *testing.T) {
				t.Parallel()
				upgrade(t, s, version)
			})
		}
	}
}

func upgrade(t *testing.T, s store, version int) {
	f := readFixture(t, s, version)
	x := f.world(t, s)
	f.journal(t, s, version, x)
	x.begin()
	for _, s := range x.services {
		x.ended(s, s.KeyID)
	}
	x.quiet()
	for _, c := range x.consumers {
		c.Reread()
	}
	x.again()
	for _, c := range x.consumers {
		c.Stop()
		if bad := c.Failures(); bad != "" {
			t.Errorf("a consumer was left without a working key:\n%s", bad)
		}
	}
}

// again replaces every key once more.
func (x *site) again() {
	x.t.Helper()
	before := map[string]daemon.Key{}
	for _, s := range x.services {
		k, err := x.held(s)
		if err != nil {
			x.t.Fatal(err)
		}
		before[s.UserID] = k
	}
	x.rotate("--compromised", "--expect", strconv.Itoa(len(x.services)))
	for _, s := range x.services {
		x.ended(s, before[s.UserID].ID)
	}
	x.quiet()
}

// fixturePath names the two files of a fixture: the journal, packed, and what else there was.
func (s store) fixturePath(version int, suffix string) string {
	return filepath.Join("testdata", fmt.Sprintf("schema-%d%s%s", version, s.file, suffix))
}

func readFixture(t *testing.T, s store, version int) (f fixture) {
	t.Helper()
	text, err := os.ReadFile(s.fixturePath(version, ".json"))
	if err != nil {
		t.Fatalf("there is no fixture of schema %d: %v\nmake it with a binary that writes it: go test ./test/realfaults -run TestUpgrade -made-by BINARY -schema %d "+
			"-store sqlite (or postgres)", version, err, version)
	}
	if err := json.Unmarshal(text, &f); err != nil {
		t.Fatal(err)
	}
	return f
}

// world makes the account as it was, and a daemon that has not started.
func (f *fixture) world(t *testing.T, in store) *site {
	t.Helper()
	s := setting{services: -1, timing: strings.ReplaceAll(endless, "10m", "1s")}
	s.config.Files = map[string]string{"seal.key": f.SealKey}
	for name, content := range f.Files {
		s.config.Files[name] = content
	}
	in.configure(t, &s)
	x := prepare(t, s)
	x.services = nil
	account := x.e.System.(interface {
		AddUser(emulator.CertCentralUser) int64
		AddKey(emulator.CertCentralKey) (int64, string, error)
	})
	var users []int64
	for _, name := range f.Users {
		users = append(users, account.AddUser(emulator.CertCentralUser{Username: name, Email: name + "@example.com"}))
	}
	for _, k := range f.Keys {
		id, _, err := account.AddKey(emulator.CertCentralKey{UserID: users[k.User], Name: k.Name, Status: k.Status, Secret: k.Secret, Created: k.Created})
		if err != nil || id != k.ID {
			t.Fatalf("key %s has the id %d, and had %d: %v", k.Name, id, k.ID, err)
		}
		if k.Name == "deploy" {
			x.services = append(x.services, daemon.Service{Name: f.Users[k.User], Key: k.Name, UserID: strconv.FormatInt(users[k.User], 10),
				KeyID: strconv.FormatInt(id, 10), Secret: k.Secret})
		}
	}
	return x
}

// incidentsFrom is the first schema that has incidents.
const incidentsFrom = 8

// journal puts the journal of then in its place. Its folder has another name now, it was written yesterday, and nobody has ten
// minutes for what is yet to be delivered.
func (f *fixture) journal(t *testing.T, s store, version int, x *site) {
	t.Helper()
	packed, err := os.Open(s.fixturePath(version, ".gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer packed.Close() // it is only read
	unpack, err := gzip.NewReader(packed)
	if err != nil {
		t.Fatal(err)
	}
	content, err := io.ReadAll(unpack)
	if err != nil {
		t.Fatal(err)
	}
	s.put(x, content)
	db, err := s.open(x)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close() // what it did is looked at
	day, err := time.Parse(time.DateOnly, f.Day)
	if err != nil {
		t.Fatal(err)
	}
	yesterday := time.Now().UTC().Truncate(24 * time.Hour).Add(-24 * time.Hour)
	_, err = db.ExecContext(t.Context(), `UPDATE rotations SET body = replace(replace(replace(body, $1, $2), $3, $4), $5, $6), next_at = CASE next_at WHEN 0 THEN 0 ELSE next_at - $7 END`,
		f.Dir, x.d.Dir, f.Day+"T", yesterday.Format(time.DateOnly)+"T", fmt.Sprintf(`"grace":%d`, 10*time.Minute), fmt.Sprintf(`"grace":%d`, time.Second),
		day.Sub(yesterday).Milliseconds())
	if err != nil {
		t.Fatal(err)
	}
	if version >= incidentsFrom {
		_, err = db.ExecContext(t.Context(), `UPDATE incidents SET at = at - $1, body = replace(body, $2, $3)`,
			day.Sub(yesterday).Milliseconds(), f.Day+"T", yesterday.Format(time.DateOnly)+"T")
		if err != nil {
			t.Fatal(err)
		}
	}
	var stored int
	if err := db.QueryRowContext(t.Context(), "SELECT max(version_id) FROM goose_db_version").Scan(&stored); err != nil || stored != version {
		t.Fatalf("the fixture has schema %d, want %d: %v", stored, version, err)
	}
}

// standing is where the rotations of a fixture stand: each service user is named for it.
var standing = []string{"ended", "revoking", "grace", "delivering", "minting", "minted", "testing"}

// makeFixture lets an older binary take one rotation to each place, kills it, and writes down what it left.
func makeFixture(t *testing.T, version int, binary, in string) {
	t.Helper()
	to, ok := stores[in]
	if !ok {
		t.Fatalf("there is no store %q", in)
	}
	s := setting{services: -1, timing: endless, account: "propagation: 1s, timeout: 60s, rates: [{requests: 100000, per: 1s}]"}
	s.config.Binary = binary
	to.configure(t, &s)
	s.server = strings.Replace(s.server, "lease: 6s", "lease: 130s", 1) // calls are held up for a long time here
	x := prepare(t, s)
	x.services = nil
	for _, name := range standing {
		x.services = append(x.services, x.e.AddService(name, "deploy", time.Hour))
	}
	x.d.Start()
	x.sees()
	at := func(i int, stage string, args ...string) {
		t.Helper()
		user := x.services[i].UserID
		cmd := x.d.Cmd(append(append([]string{"rotate"}, args...), "cc/"+user+"/deploy")...)
		if err := cmd.Start(); err != nil { // some versions follow a leak to its end, which is not to come
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = cmd.Wait() })
		x.await(standing[i]+" to be in "+stage, func() error {
			open, ended := x.d.Rotations()
			for _, r := range slices.Concat(open, ended) {
				if strings.Contains(fmt.Sprint(r), user) {
					return want(r.Stage == stage, "it is in %s", r.Stage)
				}
			}
			return fmt.Errorf("there is none among %+v", open)
		})
	}
	at(0, "done", "--compromised")
	g := x.hold(daemon.RequestRevoke, false)
	at(1, "revoking", "--compromised")
	g.await(x)
	at(2, "grace")
	x.d.WriteFile("keys/delivering/in the way", "")
	at(3, "delivering")
	for i, after := range []bool{false, true} {
		g := x.hold(daemon.RequestMint, after)
		at(4+i, "minting")
		g.await(x)
	}
	g = x.hold(daemon.RequestCheck, false)
	at(6, "testing")
	g.await(x)
	x.d.Kill()
	x.write(to, version)
}

// write writes a fixture down. What was held stays held: it never arrived.
func (x *site) write(to store, version int) {
	x.t.Helper()
	f := fixture{Dir: x.d.Dir, Day: time.Now().UTC().Format(time.DateOnly), Files: map[string]string{}}
	order := map[string]int{}
	for i, s := range x.services {
		f.Users, order[s.UserID] = append(f.Users, s.Name), i
	}
	secrets := map[string]string{}
	for _, secret := range x.e.Secrets() {
		k, _ := x.e.KeyOfSecret(secret)
		secrets[k.ID] = secret
	}
	for _, k := range x.e.Keys("") {
		user, ours := order[k.UserID]
		id, err := strconv.ParseInt(k.ID, 10, 64)
		if err != nil {
			x.t.Fatal(err)
		}
		if ours {
			f.Keys = append(f.Keys, fixtureKey{user, id, k.Name, k.Status, secrets[k.ID], k.Created})
		}
	}
	for _, s := range x.services {
		for _, name := range []string{"keys/" + s.Name, "keys/." + s.Name + ".rotatord.json"} {
			if content, err := os.ReadFile(x.d.Path(name)); err == nil {
				f.Files[name] = string(content)
			}
		}
	}
	key, err := os.ReadFile(x.d.Path("seal.key"))
	if err != nil {
		x.t.Fatal(err)
	}
	f.SealKey = string(key)
	text, err := json.MarshalIndent(f, "", "\t")
	if err != nil {
		x.t.Fatal(err)
	}
	var packed bytes.Buffer
	w, _ := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if _, err := w.Write(to.take(x)); err != nil || w.Close() != nil {
		x.t.Fatal(err)
	}
	if err := os.MkdirAll("testdata", 0o755); err != nil {
		x.t.Fatal(err)
	}
	for name, content := range map[string][]byte{".json": append(text, '\n'), ".gz": packed.Bytes()} {
		if err := os.WriteFile(to.fixturePath(version, name), content, 0o600); err != nil {
			x.t.Fatal(err)
		}
	}
}
