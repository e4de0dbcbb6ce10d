package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rotatord/rotatord/emulator"
	"github.com/rotatord/rotatord/test/daemon"
	"github.com/rotatord/rotatord/web"
)

// The key is eight seconds old at the start and due at the age of ten.
const wholePolicy = `scan: {schedule: "@every 1s"}
policies:
  - {name: seconds, max_age: 40s, renew_before: 30s, grace: 3s, idle: 2s, jitter: 0%, sinks: [vault, disk]}
`

// TestWholeRotation follows one key from its discovery to its revocation, with everything real but the provider, and looks
// at each place where the outcome shows.
func TestWholeRotation(t *testing.T) {
	f := newFleet(t, daemon.Emulate(t, emulator.CertCentralOptions{Rates: []emulator.Rate{}, NewKeyRefusedFor: 300 * time.Millisecond}))
	old := f.provider.AddService("ci-build", "build", 8*time.Second)
	f.services = []daemon.Service{old}
	f.prepare(f.config("json", wholePolicy))
	revocation := f.watchRevocation(old)
	f.d.Start()
	consumers := f.consume(50 * time.Millisecond)
	laggard := f.provider.Consume(t, "laggard", "", func(context.Context) (string, error) { return old.Secret, nil }, 50*time.Millisecond)

	f.awaitStage(old, "grace")
	f.overlap(old)
	f.awaitInUse(old)
	laggard.Stop()
	moved := time.Now()
	f.awaitDone(1)
	consumers.verdict(t, 2)
	if bad := laggard.Failures(); bad != "" {
		t.Errorf("the old key was refused while somebody used it:\n%s", bad)
	}
	// The provider shows the time of last use in whole seconds.
	if k, _ := f.provider.Key(old.KeyID); k.Ended.Sub(moved) < time.Second {
		t.Errorf("the old key was revoked %s after its last use, want two seconds", k.Ended.Sub(moved))
	}
	for _, bad := range revocation() {
		t.Error(bad)
	}

	next := onlyActive(t, f.provider, old)
	f.provesProvider(old, next)
	f.provesVault(old, next)
	f.provesFile(old, next)
	f.provesMetrics(old, next)
	f.provesStatus(old, next)
	f.provesHistory(old, next)
	f.d.Stop()
	if logs := f.d.Logs(); !strings.Contains(logs, "rotatord has stopped") {
		t.Error("the log does not tell of the stop")
	}
}

// watchRevocation looks into both sinks at the moment in which the old key's revocation arrives at the provider.
func (f *fleet) watchRevocation(s daemon.Service) (complaints func() []string) {
	var mu sync.Mutex
	var found []string
	seen := 0
	f.provider.Watch(func(c daemon.Call) {
		if c.Done || c.Method != http.MethodPut || c.Path != "/key/"+s.KeyID+"/status" {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		seen++
		for sink, read := range f.readers(s) {
			secret, err := read(f.t.Context())
			if err == nil {
				err = f.provider.Use(f.t.Context(), secret)
			}
			if err != nil || secret == s.Secret {
				found = append(found, fmt.Sprintf("when the old key was revoked, %s did not hold a new key that works: %v", sink, err))
			}
		}
	})
	return func() []string {
		mu.Lock()
		defer mu.Unlock()
		if seen != 1 {
			found = append(found, fmt.Sprintf("the old key was revoked %d times, want once", seen))
		}
		return found
	}
}

// awaitStage waits until the rotation of a service's first key is in a stage.
func (f *fleet) awaitStage(s daemon.Service, stage string) {
	f.t.Helper()
	daemon.Await(f.t, daemon.Patience, s.Key+" to be "+stage, func() error {
		open, ended := f.d.Rotations()
		for _, r := range open {
			if r.OldKey.ID == s.KeyID && r.Stage == stage {
				return nil
			}
		}
		return fmt.Errorf("the open rotations are %+v, and ended are %+v", open, ended)
	})
}

// awaitDone waits until so many rotations have come to their good end, and none is open.
func (f *fleet) awaitDone(n int) {
	f.t.Helper()
	daemon.Await(f.t, 2*daemon.Patience, "the rotations' end", func() error {
		open, ended := f.d.Rotations()
		if len(open) > 0 || len(ended) != n || slices.ContainsFunc(ended, func(r web.Rotation) bool { return r.Stage != "done" }) {
			return fmt.Errorf("the open rotations are %+v, and ended are %+v", open, ended)
		}
		return nil
	})
}

// overlap checks that in the grace period both keys work, and that the daemon says what it is doing.
func (f *fleet) overlap(old daemon.Service) {
	f.t.Helper()
	if err := f.provider.Use(f.t.Context(), old.Secret); err != nil {
		f.t.Errorf("the old key does not work in the grace period: %v", err)
	}
	for sink, read := range f.readers(old) {
		secret, err := read(f.t.Context())
		if err == nil {
			err = f.provider.Use(f.t.Context(), secret)
		}
		if err != nil || secret == old.Secret {
			f.t.Errorf("in the grace period %s does not hold a new key that works: %v", sink, err)
		}
	}
	out, _, code := f.d.Command("status", "-o", "json")
	var st web.Status
	if err := json.Unmarshal([]byte(out), &st); err != nil || code != 0 {
		f.t.Fatalf("status -o json ends with %d and prints %q: %v", code, out, err)
	}
	if len(st.InMotion) != 1 || st.InMotion[0].Stage != "grace" || st.InMotion[0].GraceUntil.IsZero() {
		f.t.Errorf("status says that in motion is %+v, want one rotation in its grace period", st.InMotion)
	}
	if due, found := f.d.Metric("rotatord_key_rotation_due_timestamp_seconds", keyLabel(old.KeyID)); !found || due > float64(time.Now().Unix()) {
		f.t.Errorf("the metrics say that the old key is due at %v (found: %v), want a time that has passed", due, found)
	}
}

// awaitInUse waits until the grace period is over and the old key, which is still in use, stays for this reason: in every place
// where people look.
func (f *fleet) awaitInUse(old daemon.Service) {
	f.t.Helper()
	f.awaitBlocked([]daemon.Service{old}, "old_key_in_use")
	out, _, code := f.d.Command("status", "-o", "json")
	var st web.Status
	if err := json.Unmarshal([]byte(out), &st); err != nil {
		f.t.Fatalf("status -o json prints %q: %v", out, err)
	}
	if code != 3 || !st.NeedsPerson || len(st.Attention) != 1 || st.Attention[0].Reason != "old_key_in_use" ||
		st.Attention[0].KeyID != old.KeyID {
		f.t.Errorf("status ends with %d and says %s, want 3 and that the old key is in use", code, out)
	}
	f.awaitMetric(1, "rotatord_rotations_blocked", `reason="old_key_in_use"`)
	if _, page := f.d.Get("/"); !strings.Contains(page, "old_key_in_use") {
		f.t.Error("the page does not say that the old key is in use")
	}
	if err := f.provider.Use(f.t.Context(), old.Secret); err != nil {
		f.t.Errorf("the old key is in use and was refused: %v", err)
	}
}

// onlyActive is the one key of a service that is active.
func onlyActive(t *testing.T, e *daemon.Emulator, s daemon.Service) daemon.Key {
	t.Helper()
	active := e.Active(s.UserID)
	if len(active) != 1 {
		t.Fatalf("service user %s has the active keys %+v, want one", s.Name, active)
	}
	return active[0]
}

func (f *fleet) provesProvider(old daemon.Service, next daemon.Key) {
	f.t.Helper()
	if next.ID == old.KeyID || next.Name != "build-r0001" {
		f.t.Errorf("the active key is %s (id %s), want a new one named build-r0001", next.Name, next.ID)
	}
	if err := f.provider.Use(f.t.Context(), old.Secret); !daemon.Refused(err) {
		f.t.Errorf("the old key is not refused at the end: %v", err)
	}
	if k, _ := f.provider.Key(old.KeyID); k.Status != "revoked" {
		f.t.Errorf("the old key is %s, want revoked", k.Status)
	}
	if n := len(f.provider.Keys(old.UserID)); n != 2 {
		f.t.Errorf("the service user had %d keys in all, want 2: one was made too many", n)
	}
}

func (f *fleet) provesVault(old daemon.Service, next daemon.Key) {
	f.t.Helper()
	entry, err := f.client.KVv2("secret").Get(f.t.Context(), f.vaultPath(old))
	if err != nil {
		f.t.Fatal(err)
	}
	if k, _ := f.provider.KeyOfSecret(fmt.Sprint(entry.Data["api_key"])); k.ID != next.ID {
		f.t.Errorf("Vault holds the secret of key %s, want that of %s", k.ID, next.ID)
	}
	for field, want := range map[string]string{"key_id": next.ID, "key_name": next.Name, "version": "1"} {
		if got := entry.Data[field]; got != want {
			f.t.Errorf("the entry's field %s is %v, want %s", field, got, want)
		}
	}
	r := f.rotation()
	want := map[string]any{"managed-by": "rotatord", "rotatord-version": "1", "rotatord-rotation": r.ID,
		"rotatord-fingerprint": r.Fingerprint, "rotatord-key-id": next.ID}
	if diff := cmp.Diff(want, entry.CustomMetadata); diff != "" {
		f.t.Errorf("the custom metadata differ (-want +got):\n%s", diff)
	}
	if v := entry.VersionMetadata.Version; v != 1 {
		f.t.Errorf("Vault has version %d of the entry, want 1: it was written more than once", v)
	}
}

func (f *fleet) provesFile(old daemon.Service, next daemon.Key) {
	f.t.Helper()
	path := f.file(old)
	info, err := os.Lstat(path)
	if err != nil {
		f.t.Fatal(err)
	}
	if info.Mode() != 0o640 {
		f.t.Errorf("the file's mode is %s, want -rw-r-----", info.Mode())
	}
	text, err := os.ReadFile(path)
	if err != nil {
		f.t.Fatal(err)
	}
	var content map[string]any
	if err := json.Unmarshal(text, &content); err != nil {
		f.t.Fatal(err)
	}
	if k, _ := f.provider.KeyOfSecret(fmt.Sprint(content["api_key"])); k.ID != next.ID {
		f.t.Errorf("the file holds the secret of key %s, want that of %s", k.ID, next.ID)
	}
	delete(content, "api_key")
	want := map[string]any{"key_id": next.ID, "key_name": next.Name, "version": 1.0, "provider": f.provider.Name(),
		"service_user": old.Name, "credential": old.Key}
	if !next.Expires.IsZero() {
		want["expires"] = next.Expires.UTC().Format(time.RFC3339)
	}
	if diff := cmp.Diff(want, content); diff != "" {
		f.t.Errorf("the file differs (-want +got):\n%s", diff)
	}
}

// rotation is the one rotation that has ended.
func (f *fleet) rotation() web.Rotation {
	f.t.Helper()
	_, ended := f.d.Rotations()
	if len(ended) != 1 {
		f.t.Fatalf("%d rotations have ended, want one", len(ended))
	}
	return ended[0]
}

func (f *fleet) provesMetrics(old daemon.Service, next daemon.Key) {
	f.t.Helper()
	// The next scan sees the old key revoked. The counts may be some seconds old by design.
	f.awaitMetric(0, "rotatord_key_rotation_due_timestamp_seconds", keyLabel(old.KeyID))
	for _, m := range []struct {
		want   float64
		name   string
		labels []string
	}{
		{1, "rotatord_rotations_total", []string{`provider="cc"`, `reason="max_age"`, `result="done"`}},
		{0, "rotatord_rotations_total", []string{`result="abandoned"`}},
		{1, "rotatord_sink_deliveries_total", []string{`sink="vault"`, `result="confirmed"`}},
		{1, "rotatord_sink_deliveries_total", []string{`sink="disk"`, `result="confirmed"`}},
		{2, "rotatord_sink_deliveries_total", nil},
		{0, "rotatord_open_rotations", nil},
		{0, "rotatord_rotations_blocked", nil},
		{0, "rotatord_orphan_keys", nil},
		{1, "rotatord_keys", []string{`state="managed"`}},
		{1, "rotatord_provider_up", []string{`provider="cc"`}},
		{2, "rotatord_sink_up", nil},
		{0, "rotatord_breaker_open", nil},
		{0, "rotatord_journal_errors_total", nil},
	} {
		if _, found := f.d.Metric(m.name, m.labels...); !found {
			f.t.Errorf("there is no metric %s%v", m.name, m.labels)
		}
		f.awaitMetric(m.want, m.name, m.labels...)
	}
	deadline, _ := f.d.Metric("rotatord_key_revoke_due_timestamp_seconds", keyLabel(next.ID))
	if want := float64(next.Created.Add(40 * time.Second).Unix()); deadline != want {
		f.t.Errorf("the new key's deadline is %v, want its creation and 40 seconds, %v", deadline, want)
	}
	proven, _ := f.d.Metric("rotatord_last_proven_rotation_timestamp_seconds", `provider="cc"`)
	if age := time.Since(time.Unix(int64(proven), 0)); age > time.Minute {
		f.t.Errorf("the last proven rotation is %s ago, want moments", age)
	}
}

func keyLabel(id string) string { return fmt.Sprintf("key_id=%q", id) }

// awaitMetric waits until a metric has that value; an absent one has 0.
func (f *fleet) awaitMetric(want float64, name string, labels ...string) {
	f.t.Helper()
	daemon.Await(f.t, daemon.Patience, name, func() error {
		if got, _ := f.d.Metric(name, labels...); got != want {
			return fmt.Errorf("%s%v is %v, want %v", name, labels, got, want)
		}
		return nil
	})
}

func (f *fleet) provesStatus(old daemon.Service, next daemon.Key) {
	f.t.Helper()
	out, errs, code := f.d.Command("status", "-o", "json")
	var st web.Status
	if err := json.Unmarshal([]byte(out), &st); err != nil {
		f.t.Fatalf("status -o json: %v in %q %q", err, out, errs)
	}
	if code != 0 || st.NeedsPerson || !st.Ready || len(st.InMotion)+len(st.Attention)+len(st.Waiting) != 0 {
		f.t.Errorf("status ends with %d and says %s, want 0 and that nothing needs a person or moves", code, out)
	}
	if st.Version != daemon.Version {
		f.t.Errorf("status says version %q, want %q", st.Version, daemon.Version)
	}
	if len(st.DueNext) != 1 || st.DueNext[0].Key.ID != next.ID || st.DueNext[0].Version != 1 {
		f.t.Errorf("due next is %+v, want the new key", st.DueNext)
	}
	if len(st.DueNext) == 1 && st.DueNext[0].UserID != old.UserID {
		f.t.Errorf("due next is a key of user %s, want %s", st.DueNext[0].UserID, old.UserID)
	}
	if text, _, code := f.d.Command("status"); code != 0 || !strings.Contains(text, "Nothing needs a person.") {
		f.t.Errorf("status ends with %d and prints %q", code, text)
	}
}

func (f *fleet) provesHistory(old daemon.Service, next daemon.Key) {
	f.t.Helper()
	h := f.d.History(f.rotation().ID)
	if h.Reason != "max_age" || h.Policy != "seconds" || h.Version != 1 || h.ServiceUser != old.Name ||
		h.OldKey.ID != old.KeyID || h.NewKey.ID != next.ID {
		f.t.Errorf("the rotation is %+v", h.Rotation)
	}
	f.provesStages("planned", "minting", "minted", "testing", "delivering", "confirmed", "grace", "revoking", "done")
	if !h.GraceUntil.After(h.PlannedAt.Add(3 * time.Second)) {
		f.t.Errorf("the grace period ended at %s, want more than 3s after %s", h.GraceUntil, h.PlannedAt)
	}
	if h.StageAt.Before(h.GraceUntil) {
		f.t.Errorf("the old key was revoked at %s, before the grace period ended at %s", h.StageAt, h.GraceUntil)
	}
}

// provesStages checks the stages of the one rotation that has ended, and its history.
func (f *fleet) provesStages(want ...string) {
	f.t.Helper()
	var stages []string
	var last web.Entry
	for i, e := range f.d.History(f.rotation().ID).History {
		if e.Seq <= last.Seq || e.At.Before(last.At) || e.Note == "" {
			f.t.Errorf("entry %d of the history is %+v, after %+v", i, e, last)
		}
		last = e
		if e.To != e.From {
			stages = append(stages, e.To)
		}
	}
	if diff := cmp.Diff(want, stages); diff != "" {
		f.t.Errorf("the history's stages differ (-want +got):\n%s", diff)
	}
}
