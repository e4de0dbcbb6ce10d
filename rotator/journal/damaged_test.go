package journal

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rotatord/rotatord/rotator"
)

// spoil overwrites the stored form of a rotation.
func spoil(t *testing.T, s *Store, id, body string) {
	t.Helper()
	err := s.write(t.Context(), "spoil", func(w *writer) error {
		_, err := w.exec(`UPDATE rotations SET body = $1 WHERE id = $2`, body, id)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestADamagedRotationStopsNoOther(t *testing.T) {
	var reported []string
	s := openIn(t, t.TempDir(), Options{OnDamaged: func(id string, err error) {
		if err := expect(err, rotator.Invalid, id, "backup"); err != nil {
			t.Error(err)
		}
		reported = append(reported, id)
	}})
	for n := range 4 {
		if err := s.Commit(t.Context(), planned(n)); err != nil {
			t.Fatal(err)
		}
	}
	spoil(t, s, "rotation-0", `{"id": 7}`)
	spoil(t, s, "rotation-2", `{"id": "rotation-3", "seq": 1, "stage": "planned"}`)
	due := func(now time.Time, limit int) []string {
		t.Helper()
		got, err := s.Due(t.Context(), "p", now, false, limit)
		if err != nil {
			t.Fatal(err)
		}
		var ids []string
		for _, r := range got {
			ids = append(ids, r.ID)
		}
		return ids
	}
	check := func(what string, got []string, want ...string) {
		t.Helper()
		if !slices.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", what, got, want)
		}
	}
	check("due, up to 2", due(epoch, 2), "rotation-1", "rotation-3")
	check("reported", reported, "rotation-0", "rotation-2")
	check("due, again", due(epoch, 2), "rotation-1", "rotation-3")
	check("reported after looking again at once", reported, "rotation-0", "rotation-2")
	check("due, an hour later", due(epoch.Add(damagedRecheck), 3), "rotation-1", "rotation-3")
	check("reported an hour later", reported, "rotation-0", "rotation-2", "rotation-0", "rotation-2")
}

func TestADamagedRotationIsNamed(t *testing.T) {
	s := openTemp(t)
	if err := s.Commit(t.Context(), planned(1)); err != nil {
		t.Fatal(err)
	}
	for name, body := range map[string]string{
		"cut short": `{"id": "rotation-1", "seq":`, "empty": "", "a list": "[]", "another's": `{"id": "rotation-9", "seq": 1, "stage": "planned"}`,
		"another seq": `{"id": "rotation-1", "seq": 2, "stage": "planned"}`, "another stage": `{"id": "rotation-1", "seq": 1, "stage": "grace"}`,
	} {
		t.Run(name, func(t *testing.T) {
			spoil(t, s, "rotation-1", body)
			_, err := s.Rotation(t.Context(), "rotation-1")
			says(t, err, rotator.Invalid, "rotation-1", "backup")
			_, err = s.OpenRotation(t.Context(), planned(1).After.CredentialID)
			says(t, err, rotator.Invalid, "rotation-1")
			if all, err := s.Rotations(t.Context(), false, 10); err != nil || len(all) != 0 {
				t.Errorf("listed %d, %v, want none and no error", len(all), err)
			}
		})
	}
}

func TestADamagedProviderStateIsNamed(t *testing.T) {
	s := openTemp(t)
	err := s.write(t.Context(), "spoil", func(w *writer) error {
		_, err := w.exec(saveState, "p", "{")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.ProviderState(t.Context(), "p")
	says(t, err, rotator.Invalid, "provider p", "backup")
}

func TestADamagedServiceUserIsNamed(t *testing.T) {
	s := openTemp(t)
	for label, body := range map[string]string{"good": `{"provider": "p", "label": "good"}`, "bad": `{"provider": "p", "label": "good"}`} {
		err := s.write(t.Context(), "spoil", func(w *writer) error {
			_, err := w.exec(saveProvision, "p", label, "", body)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	all, err := s.Provisions(t.Context(), "p")
	says(t, err, rotator.Invalid, "p/bad", "of another one", "backup")
	if all != nil {
		t.Errorf("a list that is not whole was returned: %+v", all)
	}
}

func FuzzDecodeRotation(f *testing.F) {
	for _, body := range []string{``, `{}`, `null`, `{"id":"r","seq":1,"stage":"planned"}`, `{"id":"r","seq":1,"stage":"planned","sinks":null,"stage_at":"x"}`,
		`{"id":"r","seq":1e400}`, `{"id":"r","sinks":[{"confirmed_at":"2026-01-01T00:00:00Z"}],"terms":{"grace":-1}}`} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := decodeRotation(body, "r", rotator.StagePlanned, 1)
		if err == nil && (r.ID != "r" || r.Stage != rotator.StagePlanned || r.Seq != 1) {
			t.Fatalf("took %s for rotation r", body)
		}
		if err != nil && (rotator.KindOf(err) != rotator.Invalid || !strings.Contains(err.Error(), "rotation r ")) {
			t.Fatalf("%v does not name the rotation, or is of another kind than invalid", err)
		}
	})
}

func FuzzDecodeNotice(f *testing.F) {
	for _, body := range []string{``, `{}`, `null`, `{"id":"r/1"}`, `{"id":"r/2"}`, `{"id":"r/1","event":7}`, `[{"id":"r/1"}]`} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		n, err := decodeNotice(body, "r/1")
		if err == nil && n.ID != "r/1" {
			t.Fatalf("took %s for notice r/1", body)
		}
		if err != nil && (rotator.KindOf(err) != rotator.Invalid || !strings.Contains(err.Error(), "notice r/1 ") || n.ID != "") {
			t.Fatalf("%v does not name the notice, is of another kind than invalid, or something came with it", err)
		}
	})
}

func FuzzDecodeProvision(f *testing.F) {
	for _, body := range []string{``, `{}`, `null`, `{"provider":"p","label":"l"}`, `{"provider":"p","label":"m"}`, `{"provider":"p","label":"l","state":1}`} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		p, err := decodeProvision(body, "p", "l")
		if err == nil && (p.Provider != "p" || p.Label != "l") {
			t.Fatalf("took %s for service user p/l", body)
		}
		if err != nil && (rotator.KindOf(err) != rotator.Invalid || !strings.Contains(err.Error(), "service user p/l")) {
			t.Fatalf("%v does not name the service user, or is of another kind than invalid", err)
		}
	})
}

func FuzzDecodeState(f *testing.F) {
	for _, body := range []string{``, `{}`, `null`, `{"provider":"cc"}`, `{"provider":"other"}`, `{"provider":"cc","failures":-1}`, `{"provider":["cc"]}`} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		state, err := decodeState("read the state of provider cc", body, "cc")
		if state.Provider != "cc" {
			t.Fatalf("took %s for the state of provider cc: %+v", body, state)
		}
		if err != nil && (rotator.KindOf(err) != rotator.Invalid || !strings.Contains(err.Error(), "provider cc")) {
			t.Fatalf("%v does not name the provider, or is of another kind than invalid", err)
		}
	})
}
