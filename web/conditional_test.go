package web_test

import (
	"net/http"
	"testing"

	"github.com/rotatord/rotatord/rotator"
)

func TestAnswersThatTheClientHasAreNotSentAgain(t *testing.T) {
	s := serve(t, fleet)
	const path = "/api/v1/rotations"
	first := s.get(path)
	tag := first.header.Get("ETag")
	first.want(t, 200)
	if tag == "" {
		t.Fatal("the answer has no tag")
	}
	for header, status := range map[string]int{tag: 304, "W/" + tag: 304, `"x", ` + tag: 304, "*": 304, `"x"`: 200, "": 200} {
		r := s.ask(http.MethodGet, path, "", "If-None-Match", header)
		if r.status != status || r.header.Get("ETag") != tag || (r.body == "") != (status == 304) {
			t.Errorf("If-None-Match %s: status %d, tag %s, %d bytes; want %d", header, r.status, r.header.Get("ETag"), len(r.body), status)
		}
	}
	s.journal.Open = append([]rotator.Rotation{{ID: "r-new"}}, s.journal.Open...)
	s.ask(http.MethodGet, path, "", "If-None-Match", tag).want(t, 200, "r-new")
}

func TestOnlySuccessfulReadsHaveATag(t *testing.T) {
	s, _ := audited(t)
	for _, r := range []reply{
		s.ask(http.MethodGet, "/api/v1/rotations/nobody", "", "If-None-Match", "*"),
		s.ask(http.MethodPost, "/api/v1/scan", "", "If-None-Match", "*"),
		s.get("/api/v1/audit"),
		s.get("/-/healthy"),
	} {
		if tag := r.header.Get("ETag"); tag != "" || r.status == 304 {
			t.Errorf("status %d with the tag %q: %s", r.status, tag, r.body)
		}
	}
	if r := s.ask(http.MethodHead, "/api/v1/rotations", ""); r.status != 200 || r.header.Get("ETag") == "" {
		t.Errorf("HEAD: status %d, tag %q", r.status, r.header.Get("ETag"))
	}
}
