package main

import (
	"io"
	"strings"
	"testing"
)

const passing = `{"Action":"output","Package":"p","Test":"TestA","Output":"noise\n"}
{"Action":"pass","Package":"p","Test":"TestA"}
{"Action":"pass","Package":"p","Elapsed":0.2}
`

func TestSummary(t *testing.T) {
	for _, tc := range []struct {
		name, in, out, err string
		noSkips            bool
	}{
		{"passing", passing, "ok    p  0.2s\n1 passed, 0 failed, 0 skipped\n", "", true},
		{"nothing", "", "0 passed, 0 failed, 0 skipped\n", "no test ran", false},
		{"go's own words", "go: no module\n", "go: no module\n0 passed, 0 failed, 0 skipped\n", "no test ran", false},
		{"failing", passing + `{"Action":"output","Package":"q","Test":"TestB","Output":"why\n"}
{"Action":"fail","Package":"q","Test":"TestB"}
{"Action":"fail","Package":"q","Elapsed":1}
`, "ok    p  0.2s\nwhy\nFAIL  q  1.0s\n1 passed, 1 failed, 0 skipped\n", "something failed, see above", false},
		{"panicking outside a test", passing + `{"Action":"output","Package":"q","Output":"panic: x\n"}
{"Action":"fail","Package":"q","Elapsed":1}
`, "ok    p  0.2s\npanic: x\nFAIL  q  1.0s\n1 passed, 0 failed, 0 skipped\n", "something failed, see above", false},
		{"not building", passing + `{"Action":"build-output","ImportPath":"q","Output":"q.go:1: no\n"}
{"Action":"build-fail","ImportPath":"q"}
`, "ok    p  0.2s\nq.go:1: no\n1 passed, 0 failed, 0 skipped\n", "something failed, see above", false},
		{"skipping", passing + `{"Action":"skip","Package":"p","Test":"TestC"}` + "\n",
			"ok    p  0.2s\nskipped: p TestC\n1 passed, 0 failed, 1 skipped\n", "", false},
		{"skipping where none may", passing + `{"Action":"skip","Package":"p","Test":"TestC"}` + "\n",
			"ok    p  0.2s\nskipped: p TestC\n1 passed, 0 failed, 1 skipped\n", "a test was skipped, and all of them must run here", true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var out strings.Builder
			s := &summary{out: &out, output: map[string]*strings.Builder{}}
			if err := s.read(strings.NewReader(tc.in)); err != nil {
				t.Fatal(err)
			}
			got := ""
			if err := s.verdict(tc.noSkips); err != nil {
				got = err.Error()
			}
			if got != tc.err || out.String() != tc.out {
				t.Errorf("error %q, want %q; output:\n%swant:\n%s", got, tc.err, out.String(), tc.out)
			}
		})
	}
}

func TestReadReportsABrokenPipe(t *testing.T) {
	s := &summary{out: io.Discard, output: map[string]*strings.Builder{}}
	r, w := io.Pipe()
	_ = w.CloseWithError(io.ErrUnexpectedEOF)
	if err := s.read(r); err == nil {
		t.Error("want an error")
	}
}
