package journal

import (
	"bytes"
	"context"
	"database/sql"
	"hash/maphash"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/rotatord/rotatord/rotator"
)

const (
	// namesAtMost bounds the text that is kept in memory, in bytes: that of some 700,000 credentials.
	namesAtMost = 64 << 20

	// namesIdle is how long nobody searches before the memory is given back.
	namesIdle = 10 * time.Minute

	// usersAtMost is how many users the database is asked about one by one. A text that more of them have is found soon by
	// reading the keys in their order, because a page ends the reading.
	usersAtMost = 1000

	// nameEnd and lineEnd are bytes that no UTF-8 text holds.
	nameEnd, lineEnd = 0xFE, 0xFF

	readUserNames = `SELECT provider, id, name, email FROM users`
	readKeyNames  = `SELECT provider, user_id, base, id FROM keys`
)

// names is what searches look for, in memory: it says which users a text can be found at, and the database, which is asked about
// these alone, says whether it is and what else holds. So it may know too much, names from before a change for instance, and must never
// know too little: what is written is added by the committer, in the transaction that writes it, from before the moment at which the
// rest is read. It is made when somebody searches, beside that search, and dropped when nobody does.
type names struct {
	mu    sync.RWMutex
	state namesState
	// lists has for each provider lines of a user's id, nameEnd, the user's names or those of a key in small letters, lineEnd.
	lists map[string][]byte
	// seen are the hashes of all lines, so that a scan that changes other things adds nothing.
	seen map[uint64]struct{}
	seed maphash.Seed
	// size is that of all lists, atMost what it may become.
	size, atMost int

	used    time.Time
	drop    *time.Timer
	closed  bool
	reading sync.WaitGroup
}

type namesState int

const (
	namesNone namesState = iota
	namesWanted
	namesLoading
	namesReady
	// namesUnfit is the state of names that are not text, or too many: they are read in the database each time.
	namesUnfit
)

// mayHave reads the names from the next moment on at which nothing is written, if that is not done already, and returns what
// [names.mayHave] knows meanwhile.
func (s *Store) mayHave(provider, text string) (users []userRef, known bool) {
	if !s.db.alone {
		return nil, false // others write as well
	}
	if s.names.want() {
		go s.readNames()
	}
	return s.names.mayHave(provider, text)
}

// readNames ends when the store is closed, at the latest.
func (s *Store) readNames() {
	defer s.names.reading.Done()
	ctx := context.Background()
	err := s.write(ctx, "begin to note names", func(*writer) error { s.names.begin(); return nil })
	if err == nil {
		err = s.each(ctx, readUserNames, nil, s.names.row)
	}
	if err == nil {
		err = s.each(ctx, readKeyNames, nil, s.names.row)
	}
	s.names.end(err)
}

// want notes that somebody searches, and reports whether the caller is to read the names.
func (n *names) want() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.used = time.Now()
	if n.state != namesNone || n.closed {
		return false
	}
	n.state = namesWanted
	n.reading.Add(1)
	return true
}

// begin has what is written from now on noted. The committer may call it twice.
func (n *names) begin() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.state, n.lists, n.seen, n.size = namesLoading, map[string][]byte{}, map[uint64]struct{}{}, 0
}

func (n *names) row(rows *sql.Rows) error {
	var provider, user, one, other string
	if err := rows.Scan(&provider, &user, &one, &other); err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.add(provider, user, one, other)
	if n.state != namesLoading || n.closed {
		return errStop
	}
	return nil
}

// end opens the names to searches once they were read, or forgets them if they were not.
func (n *names) end(err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	switch {
	case n.state == namesUnfit:
	case err != nil || n.closed:
		n.reset(namesNone)
	default:
		n.state = namesReady
		n.drop = time.AfterFunc(namesIdle, n.dropIfIdle)
	}
}

func (n *names) dropIfIdle() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.state != namesReady {
		return
	}
	if left := namesIdle - time.Since(n.used); left > 0 {
		n.drop.Reset(left)
		return
	}
	n.reset(namesNone)
}

// close waits until nothing is read any more.
func (n *names) close() {
	n.mu.Lock()
	n.closed = true
	n.mu.Unlock()
	n.reading.Wait()
	n.mu.Lock()
	defer n.mu.Unlock()
	n.reset(namesNone)
}

func (n *names) reset(to namesState) {
	n.state, n.lists, n.seen, n.size = to, nil, nil, 0
	if n.drop != nil {
		n.drop.Stop()
		n.drop = nil
	}
}

// merging notes what the committer is about to write.
func (n *names) merging(provider string, users []rotator.UserRow, keys []rotator.KeyRow) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.state != namesLoading && n.state != namesReady {
		return
	}
	for i := range users {
		n.add(provider, users[i].ID, users[i].Name, users[i].Email)
	}
	for i := range keys {
		n.add(provider, keys[i].UserID, keys[i].Base, keys[i].ID)
	}
}

// add notes two names of a user.
func (n *names) add(provider, user, one, other string) {
	if n.state != namesLoading && n.state != namesReady {
		return // there were too many
	}
	line := append(append(append([]byte(user), nameEnd), asciiLower(one)...), nameEnd)
	line = append(append(line, asciiLower(other)...), nameEnd)
	if folded := asciiLower(user); folded != user {
		line = append(line, folded...)
	}
	if !fits(user + one + other) {
		n.reset(namesUnfit)
		return
	}
	h := maphash.Bytes(n.seed, append(line, provider...))
	if _, known := n.seen[h]; known {
		return
	}
	n.seen[h] = struct{}{}
	n.lists[provider] = append(append(n.lists[provider], line...), lineEnd)
	if n.size += len(line); n.size <= n.atMost {
		return
	}
	if n.state == namesLoading {
		n.reset(namesUnfit)
		return
	}
	n.reset(namesNone) // what changes added may be too much, and what there is not
}

// fits reports whether the text means the same in JSON, in a query and here.
func fits(text string) bool { return utf8.ValidString(text) && !strings.Contains(text, "\x00") }

// userRef is a user, by provider and id.
type userRef [2]string

// mayHave returns the users at whom the text may be found, at the provider, or at all for "". It is false if that is not known, or if
// they are many.
func (n *names) mayHave(provider, text string) (users []userRef, known bool) {
	n.mu.RLock()
	defer n.mu.RUnlock()
	if n.state != namesReady || !fits(text) {
		return nil, false
	}
	found := map[userRef]bool{}
	for of, list := range n.lists {
		if provider == "" || provider == of {
			collect(found, of, list, []byte(asciiLower(text)))
		}
	}
	return slices.Collect(maps.Keys(found)), len(found) <= usersAtMost
}

// collect adds the users whose lines hold the text, until they are too many.
func collect(found map[userRef]bool, provider string, list, text []byte) {
	for at := 0; len(found) <= usersAtMost; {
		hit := bytes.Index(list[at:], text)
		if hit < 0 {
			return
		}
		hit += at
		line := list[bytes.LastIndexByte(list[:hit], lineEnd)+1:]
		found[userRef{provider, string(line[:bytes.IndexByte(line, nameEnd)])}] = true
		at = hit + bytes.IndexByte(list[hit:], lineEnd) + 1
	}
}
