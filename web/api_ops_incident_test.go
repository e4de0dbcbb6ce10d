package web_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/web"
)

// desk keeps incidents in memory; it is asked by one request at a time.
type desk struct {
	kept  map[string]rotator.Incident
	fails error
}

func (d *desk) PutIncident(_ context.Context, i rotator.Incident) error {
	if d.fails != nil {
		return d.fails
	}
	d.kept[i.ID] = i
	return nil
}

func (d *desk) Incident(_ context.Context, id string) (rotator.Incident, error) {
	i, ok := d.kept[id]
	if !ok {
		return i, rotator.NewFault("incident", rotator.Gone, "none")
	}
	return i, nil
}

func (d *desk) Incidents(context.Context, time.Time, int) (all []rotator.Incident, err error) {
	for _, i := range d.kept {
		all = append(all, i)
	}
	return all, d.fails
}

func (d *desk) PruneIncidents(context.Context, time.Time) (int, error) { return 0, d.fails }

func incidents(d *desk) change {
	return func(o *web.Options, s *site) {
		o.Incidents = d
		for _, k := range s.journal.Found {
			s.journal.Facts = append(s.journal.Facts, rotator.KeyFacts{Key: k, User: rotator.ServiceUser{ID: "u1", Name: "Build"}})
		}
	}
}

const aLeak = `{"provider":"cc","user":"u1","credential":"c?","reason":"compromised","note":"a laptop\nwas stolen","actor":"ada"`

func TestALeakIsAnIncident(t *testing.T) {
	d := &desk{kept: map[string]rotator.Incident{}}
	s := serve(t, fleet, incidents(d))
	s.ask(http.MethodPost, "/api/v1/rotations", aLeak+`,"dry_run":true}`).want(t, http.StatusAccepted, `"why":"same_user"`)
	if len(d.kept) != 0 {
		t.Fatalf("looking opened an incident: %+v", d.kept)
	}
	res := s.ask(http.MethodPost, "/api/v1/rotations", aLeak+`}`)
	var a web.RotateAnswer
	if err := json.Unmarshal([]byte(res.body), &a); err != nil || a.Planned != 2 || len(a.LeftOut) != 1 || a.LeftOut[0].Credential != "own" {
		t.Fatalf("%d %s", res.status, res.body)
	}
	i := d.kept[a.Incident]
	if !strings.Contains(i.By, "ada") || i.Note != "a laptop was stolen" || len(i.Credentials) != 2 || len(i.Credentials[0].Keys) != 1 || i.Base != "c?" {
		t.Errorf("kept %+v", i)
	}
	s.get("/api/v1/incidents").want(t, http.StatusOK, a.Incident, `"count":2`, `"left_out_count":1`)
	s.get("/api/v1/incidents/"+a.Incident).want(t, http.StatusOK, `"standing":"not_rotated"`, `"settled":true`, `"confirmed":false`, `leaked: a laptop was stolen`)
	s.get("/api/v1/incidents/nothing").want(t, http.StatusNotFound)
}

func TestALeakThatCannotBeKeptIsNotBegun(t *testing.T) {
	d := &desk{kept: map[string]rotator.Incident{}, fails: errors.New("disk full")}
	s := serve(t, fleet, incidents(d))
	res := s.ask(http.MethodPost, "/api/v1/rotations", aLeak+`}`)
	res.want(t, http.StatusInternalServerError, "disk full")
	if asked := s.operator.did(); len(asked) > 0 {
		t.Errorf("asked for %q", asked)
	}
}
