package providertest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rotatord/rotatord/rotator"
)

func testScanComplete(t *testing.T, h Harness) {
	users, keys := fleet(t, h, 2*h.PageSize+1)
	inv, err := scan(t.Context(), h.Provider, rotator.Scope{})
	if err != nil {
		t.Fatalf("Scan: %v", err)
	}
	if missing := inv.missing(users, keys); len(missing) > 0 {
		t.Errorf("the scan succeeded without %v", missing)
	}
	if inv.early > 0 {
		t.Errorf("%d keys were visited before their users", inv.early)
	}
	if !inv.users[users[0]].Active {
		t.Errorf("the first user came as %+v, want it active", inv.users[users[0]])
	}
	if !h.lists() {
		return
	}
	k := inv.keys[keys[0]]
	if k.Name != "fleet" || k.UserID != users[0] || k.State != rotator.KeyActive || k.Created.IsZero() {
		t.Errorf("the first key came as %+v", k)
	}
}

func testScanScope(t *testing.T, h Harness) {
	users, keys := fleet(t, h, 3)
	inv, err := scan(t.Context(), h.Provider, rotator.Scope{UserID: users[1]})
	if err != nil {
		t.Fatalf("Scan: %v", err)
	}
	for id, k := range inv.keys {
		if k.UserID != users[1] {
			t.Errorf("got the key %s of another user, %s", id, k.UserID)
		}
	}
	if !h.lists() {
		return
	}
	if _, ok := inv.keys[keys[1]]; !ok || len(inv.keys) != 1 {
		t.Errorf("got the keys %v, want only %s", inv.keys, keys[1])
	}
}

var errVisitor = errors.New("the visitor has seen enough")

// failing fails at its nth call.
type failing struct{ left int }

func (f *failing) visit() error {
	f.left--
	if f.left == 0 {
		return errVisitor
	}
	return nil
}

// User implements rotator.Visitor.
func (f *failing) User(rotator.ServiceUser) error { return f.visit() }

// Key implements rotator.Visitor.
func (f *failing) Key(rotator.Key) error { return f.visit() }

func testScanVisitor(t *testing.T, h Harness) {
	n := h.PageSize + 1
	_, keys := fleet(t, h, n)
	for _, at := range []int{1, n, n + len(keys)/n, n + len(keys)} {
		if err := h.Provider.Scan(t.Context(), rotator.Scope{}, &failing{left: at}); !errors.Is(err, errVisitor) {
			t.Errorf("the visitor failed at call %d and Scan returned %v", at, err)
		}
	}
}

func testMint(t *testing.T, h Harness) {
	user := h.AddUser(t)
	minted, err := h.Provider.Mint(t.Context(), h.request(user, "ci-r0001"))
	if err != nil {
		t.Fatalf("Mint: %v", err)
	}
	if got := h.Requests(OpMint); got != 1 {
		t.Errorf("Mint made %d requests, want 1", got)
	}
	keys := h.Keys(t, user)
	if len(keys) != 1 || keys[0].ID != minted.KeyID || keys[0].Name != "ci-r0001" || keys[0].State != rotator.KeyActive {
		t.Errorf("Mint returned key %q and the system has %+v", minted.KeyID, keys)
	}
	if err := h.Provider.Check(t.Context(), user, minted.Secret); err != nil {
		t.Errorf("the minted secret does not work: %v", err)
	}
}

func testMintInvalid(t *testing.T, h Harness) {
	user := h.AddUser(t)
	for _, req := range []rotator.MintRequest{h.request(user, ""), h.request("", "ci"), h.request("../"+user, "ci")} {
		_, err := h.Provider.Mint(t.Context(), req)
		wantKind(t, fmt.Sprintf("Mint(%+v)", req), err, rotator.Invalid, rotator.Gone)
	}
	if got := len(h.Keys(t, user)); got != 0 {
		t.Errorf("%d keys were made", got)
	}
}

func testCheck(t *testing.T, h Harness) {
	user, other := h.AddUser(t), h.AddUser(t)
	_, good := h.AddKey(t, user, "good")
	if err := h.Provider.Check(t.Context(), user, good); err != nil {
		t.Errorf("a good secret: %v", err)
	}
	if !h.Anonymous {
		wantKind(t, "another user's secret", h.Provider.Check(t.Context(), other, good), rotator.Conflict)
	}
	unknown := rotator.SecretString(strings.Repeat("Zz", len(good.Reveal())/2))
	wantKind(t, "a secret that nobody has", h.Provider.Check(t.Context(), user, unknown), rotator.Denied, rotator.Invalid)
	for _, impossible := range []string{"", "two words", "line\r\nX-Other: 1"} {
		wantKind(t, fmt.Sprintf("the secret %q", impossible), h.Provider.Check(t.Context(), user, rotator.SecretString(impossible)), rotator.Invalid)
	}
}

func testRetire(t *testing.T, h Harness) {
	user := h.AddUser(t)
	id, secret := h.AddKey(t, user, "old")
	_, other := h.AddKey(t, user, "new")
	key := rotator.Key{ID: id, UserID: user, Name: "old", State: rotator.KeyActive}
	for _, time := range []string{"the first time", "the second time"} {
		if err := h.Provider.Retire(t.Context(), key); err != nil {
			t.Fatalf("Retire %s: %v", time, err)
		}
	}
	wantKind(t, "a retired key", h.Provider.Check(t.Context(), user, secret), rotator.Denied)
	if err := h.Provider.Check(t.Context(), user, other); err != nil {
		t.Errorf("the other key was hit: %v", err)
	}
	if got := active(h.Keys(t, user), "old"); got != 0 {
		t.Errorf("the system still has the key as active")
	}
}

// operations are the provider's calls that its limits leave to it, each made ready to run. Every mint has a name of its own, since
// some systems want that.
func operations(t *testing.T, h Harness) map[Op]func(context.Context) error {
	t.Helper()
	user := h.AddUser(t)
	id, secret := h.AddKey(t, user, "ci")
	var names atomic.Int32
	run := map[Op]func(context.Context) error{
		OpScan: func(ctx context.Context) error {
			_, err := scan(ctx, h.Provider, rotator.Scope{})
			return err
		},
		OpCheck: func(ctx context.Context) error { return h.Provider.Check(ctx, user, secret) },
	}
	if h.mints() {
		run[OpMint] = func(ctx context.Context) error {
			_, err := h.Provider.Mint(ctx, h.request(user, fmt.Sprintf("ci-r%04d", names.Add(1))))
			return err
		}
	}
	if h.retires() {
		run[OpRetire] = func(ctx context.Context) error { return h.Provider.Retire(ctx, rotator.Key{ID: id, UserID: user}) }
	}
	return run
}

func testCancelled(t *testing.T, h Harness) {
	for op, run := range operations(t, h) {
		before, cancel := context.WithCancel(t.Context())
		cancel()
		if err := run(before); !errors.Is(err, context.Canceled) {
			t.Errorf("%s with a context that was over: got %v", op, err)
		}
		if got := h.Requests(op); got != 0 {
			t.Errorf("%s with a context that was over made %d requests", op, got)
		}
		h.Disturb(t, op, 1, Stalled)
		amid, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- run(amid) }()
		waitFor(t, func() bool { return h.Requests(op) == 1 })
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("%s cancelled amid its call: got %v", op, err)
		}
	}
}

// waitFor waits for an effect in another goroutine.
func waitFor(t *testing.T, happened func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for limit := time.After(20 * time.Second); !happened(); {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatal("waited for 20 seconds in vain")
		}
	}
}

func testConcurrent(t *testing.T, h Harness) {
	const each = 4
	run := operations(t, h)
	delete(run, OpCheck) // of a key that is being retired
	var wg sync.WaitGroup
	for range each {
		for op, once := range run {
			wg.Go(func() {
				if err := once(t.Context()); err != nil {
					t.Errorf("%s: %v", op, err)
				}
			})
		}
	}
	wg.Wait()
	if got := h.Requests(OpMint); h.mints() && got != each {
		t.Errorf("%d mints made %d requests", each, got)
	}
}

func testFormatted(t *testing.T, h Harness) {
	if len(h.Secrets) == 0 || h.Secrets[0] == "" {
		t.Fatal("the harness names no secret, so there is nothing to look for")
	}
	user := h.AddUser(t)
	minted := rotator.Minted{KeyID: "one that a person made", Secret: rotator.SecretString("the value that a person saw")}
	if h.mints() {
		var err error
		if minted, err = h.Provider.Mint(t.Context(), h.request(user, "ci")); err != nil {
			t.Fatalf("Mint: %v", err)
		}
	}
	secrets := append([]string{string(minted.Secret.Reveal())}, h.Secrets...)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
		noSecret(t, verb+" of the provider", fmt.Sprintf(verb, h.Provider), secrets)
		noSecret(t, verb+" of the answer", fmt.Sprintf(verb, minted), secrets)
	}
}

func noSecret(t *testing.T, where, text string, secrets []string) {
	t.Helper()
	for _, s := range secrets {
		if strings.Contains(text, s) || strings.Contains(text, fmt.Sprintf("%x", s)) {
			t.Errorf("%s holds a secret", where)
		}
	}
}
