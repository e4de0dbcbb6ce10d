package journal

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/rotatord/rotatord/rotator"
)

// TestSearchesFindTheSameByNames compares what is found with the names in memory, what the database finds without them, and what a
// search says that it finds, while scans add keys and change names.
func TestSearchesFindTheSameByNames(t *testing.T) {
	t.Parallel()
	text := rapid.StringOfN(rapid.RuneFrom([]rune("aAbBzZ01%_!\\'\"-@. éÉKkß\n\x01")), 0, 4, -1)
	with, without := openTemp(t), openTemp(t)
	without.names.state = namesUnfit
	rapid.Check(t, func(rt *rapid.T) {
		empty(rt, with)
		empty(rt, without)
		with.names.reset(namesNone)
		readNamesOf(t, with)
		m := searched{users: map[string]rotator.ServiceUser{}, keys: map[rotator.CredentialID]rotator.TrackedKey{}}
		rt.Repeat(map[string]func(*rapid.T){
			"scan": func(rt *rapid.T) { m.scan(rt, text, with, without) },
			"search": func(rt *rapid.T) {
				q := rotator.FleetQuery{Limit: rapid.IntRange(1, 9).Draw(rt, "limit"), Provider: rapid.SampledFrom([]string{"", "p", "q"}).Draw(rt, "provider"),
					Search: text.Filter(func(s string) bool { return s != "" }).Draw(rt, "search")}
				if _, known := with.mayHave(q.Provider, q.Search); !known {
					rt.Fatal("the names are not known")
				}
				want := m.find(q)
				for name, s := range map[string]*Store{"with names": with, "without": without} {
					page, err := s.FleetCredentials(t.Context(), q, epoch)
					if diff := cmp.Diff(want, seriesOf(page)); err != nil || diff != "" {
						rt.Errorf("%s, %+v finds (+), and there is (-), %v:\n%s", name, q, err, diff)
					}
				}
			},
		})
	})
}

// searched is what a search has to find, by a loop over all there is.
type searched struct {
	users map[string]rotator.ServiceUser // by provider/id
	keys  map[rotator.CredentialID]rotator.TrackedKey
	seen  int // keys, each newer than those before
}

// scan merges a user, known or new, and the current key of one of its credentials.
func (m *searched) scan(rt *rapid.T, text *rapid.Generator[string], stores ...*Store) {
	provider := rapid.SampledFrom([]string{"p", "q"}).Draw(rt, "provider")
	u := rotator.ServiceUser{ID: rapid.SampledFrom([]string{"u1", "U1", "ü%", "a'b"}).Draw(rt, "user"), Name: text.Draw(rt, "name"), Email: text.Draw(rt, "mail")}
	m.seen++
	k := rotator.TrackedKey{Provider: provider, Base: text.Draw(rt, "base"), Version: m.seen,
		Key: rotator.Key{ID: fmt.Sprint(text.Draw(rt, "key"), "#", m.seen), UserID: u.ID, State: rotator.KeyActive}}
	var users []rotator.UserRow
	if rapid.Bool().Draw(rt, "user is seen") {
		users = append(users, rotator.UserRow{ServiceUser: u, Sum: rapid.Uint64().Draw(rt, "sum")})
		m.users[provider+"/"+u.ID] = u
	}
	m.keys[k.Credential()] = k
	for _, s := range stores {
		if err := s.Merge(context.Background(), provider, users, []rotator.KeyRow{{TrackedKey: k, Sum: 1}}); err != nil {
			rt.Fatal(err)
		}
	}
}

func (m *searched) find(q rotator.FleetQuery) []string {
	var found []rotator.CredentialID
	for c, k := range m.keys {
		u := m.users[c.Provider+"/"+c.UserID]
		has := func(name string) bool { return strings.Contains(asciiLower(name), asciiLower(q.Search)) }
		if (q.Provider == "" || q.Provider == c.Provider) && slices.ContainsFunc([]string{c.UserID, c.Base, k.ID, u.Name, u.Email}, has) {
			found = append(found, c)
		}
	}
	slices.SortFunc(found, func(a, b rotator.CredentialID) int {
		return slices.Compare([]string{a.Provider, a.UserID, a.Base}, []string{b.Provider, b.UserID, b.Base})
	})
	var names []string
	for _, c := range found[:min(len(found), q.Limit)] {
		names = append(names, fmt.Sprintf("%q", c))
	}
	return names
}

// empty takes away what was merged before.
func empty(rt *rapid.T, s *Store) {
	err := s.write(context.Background(), "empty", func(w *writer) error {
		_, err := w.exec("DELETE FROM keys")
		_, other := w.exec("DELETE FROM users")
		return errors.Join(err, other)
	})
	if err != nil {
		rt.Fatal(err)
	}
}

func seriesOf(page rotator.FleetPage) (names []string) {
	for _, c := range page.Credentials {
		names = append(names, fmt.Sprintf("%q", c.Key.Credential()))
	}
	return names
}

// readNamesOf has the names read as a search has, and waits until they are.
func readNamesOf(tb testing.TB, s *Store) {
	tb.Helper()
	if s.names.want() {
		s.readNames()
	}
	s.names.reading.Wait()
	if _, known := s.mayHave("", "x"); !known {
		tb.Fatal("the names are not known after they were read")
	}
}

// TestWhatIsMergedIsFoundAtOnce searches for each user that a merge has acknowledged, while names are read, dropped and read again.
func TestWhatIsMergedIsFoundAtOnce(t *testing.T) {
	t.Parallel()
	s := openTemp(t)
	for i := range 500 {
		user := fmt.Sprintf("user-%04d-", i)
		k := rotator.TrackedKey{Provider: "p", Base: "ci", Key: rotator.Key{ID: fmt.Sprint(i), UserID: user, State: rotator.KeyActive}}
		if err := s.Merge(t.Context(), "p", nil, []rotator.KeyRow{{TrackedKey: k, Sum: 1}}); err != nil {
			t.Fatal(err)
		}
		page, err := s.FleetCredentials(t.Context(), rotator.FleetQuery{Limit: 2, Search: strings.ToUpper(user)}, epoch)
		if err != nil || len(page.Credentials) != 1 {
			t.Fatalf("a search for %s finds %d credentials: %v", user, len(page.Credentials), err)
		}
		if i%7 == 0 {
			s.names.mu.Lock()
			s.names.used = time.Time{}
			s.names.mu.Unlock()
			s.names.dropIfIdle()
		}
	}
}

// TestNamesThatAreOfNoUse has the database asked alone.
func TestNamesThatAreOfNoUse(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(s *Store, k *rotator.TrackedKey){
		"they are not text":        func(_ *Store, k *rotator.TrackedKey) { k.Base = "ci\xff" },
		"they hold a zero":         func(_ *Store, k *rotator.TrackedKey) { k.Base = "ci\x00" },
		"they are too many":        func(s *Store, _ *rotator.TrackedKey) { s.names.atMost = 8 },
		"others write to it, too":  func(s *Store, _ *rotator.TrackedKey) { s.db.alone = false },
		"the store is just closed": func(s *Store, _ *rotator.TrackedKey) { s.names.close() },
	} {
		t.Run(name, func(t *testing.T) {
			s := openTemp(t)
			k := rotator.TrackedKey{Provider: "p", Base: "ci", Key: rotator.Key{ID: "700", UserID: "user", State: rotator.KeyActive}}
			spoil(s, &k)
			if err := s.Merge(t.Context(), "p", nil, []rotator.KeyRow{{TrackedKey: k, Sum: 1}}); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				page, err := s.FleetCredentials(t.Context(), rotator.FleetQuery{Limit: 2, Search: "user"}, epoch)
				if err != nil || len(page.Credentials) != 1 {
					t.Errorf("found %d credentials: %v", len(page.Credentials), err)
				}
				s.names.reading.Wait()
			}
			if _, known := s.mayHave("", "user"); known {
				t.Error("the names are used")
			}
		})
	}
}

// TestNamesAreGivenBack looks at what is kept once nobody searches any more, and once changes made too much of them.
func TestNamesAreGivenBack(t *testing.T) {
	t.Parallel()
	s := openTemp(t)
	user := func(id string) []rotator.UserRow {
		return []rotator.UserRow{{ServiceUser: rotator.ServiceUser{ID: id, Name: id}, Sum: 1}}
	}
	for name, lose := range map[string]func(){
		"nobody searches": func() {
			s.names.used = s.names.used.Add(-namesIdle)
			s.names.dropIfIdle()
		},
		"they grew": func() {
			s.names.atMost = s.names.size
			if err := s.Merge(t.Context(), "p", user("another"), nil); err != nil {
				t.Fatal(err)
			}
			s.names.atMost = namesAtMost
		},
	} {
		if err := s.Merge(t.Context(), "p", user("one"), nil); err != nil {
			t.Fatal(err)
		}
		readNamesOf(t, s)
		s.names.dropIfIdle()
		if s.names.state != namesReady || s.names.size == 0 {
			t.Fatalf("%s: names in use are in state %d, %d bytes", name, s.names.state, s.names.size)
		}
		lose()
		if s.names.state != namesNone || s.names.lists != nil || s.names.size != 0 {
			t.Errorf("%s: the names are kept: state %d, %d bytes", name, s.names.state, s.names.size)
		}
	}
}

// TestASearchByNamesReadsFewKeys holds that the database starts from the users that were found.
func TestASearchByNamesReadsFewKeys(t *testing.T) {
	s := openTemp(t)
	k := rotator.TrackedKey{Provider: "p", Base: "ci", Key: rotator.Key{ID: "700", UserID: "user", State: rotator.KeyActive}}
	if err := s.Merge(t.Context(), "p", nil, []rotator.KeyRow{{TrackedKey: k, Sum: 1}}); err != nil {
		t.Fatal(err)
	}
	readNamesOf(t, s)
	query, args, err := s.fleetQuery(&rotator.FleetQuery{Limit: 9, Search: "use"}, epoch)
	if err != nil {
		t.Fatal(err)
	}
	plan := queryPlan(t, s, query, args)
	if !strings.Contains(plan, "SEARCH k USING INDEX keys_series (provider=? AND user_id=?") || strings.Contains(plan, "SCAN u") {
		t.Errorf("the plan is\n%swant one that looks up keys by their users", plan)
	}
}
