package test

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// machineClock finds calls that ask the machine's clock and no other.
var machineClock = regexp.MustCompile(`\btime\.(Now|Since|Until)\(`)

// spans are the places in the engine that ask it, by file and number: they measure how long something takes within the process,
// which nobody can set. Everything else goes by the clock that the engine was given.
var spans = map[string]int{
	"lease.go":           1, // leases go by a clock of their own
	"rest.go":            2, // for how long steps rest that the journal does not take
	"scan.go":            2, // how long a scan took
	"step_mint.go":       2, // for how long a seal is tried again
	"verify.go":          2, // for how long a provider is left alone that asked for patience
	"verify_schedule.go": 2, // how long a verification took
}

func TestTheEngineGoesByTheClockThatItIsGiven(t *testing.T) {
	files, err := filepath.Glob("../rotator/engine/*.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	found := map[string]int{}
	for _, f := range files {
		if strings.HasSuffix(f, "_test.go") {
			continue
		}
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if n := len(machineClock.FindAll(text, -1)); n > 0 {
			found[filepath.Base(f)] = n
		}
	}
	if !maps.Equal(found, spans) {
		t.Errorf("the machine's clock is asked in %v, want %v: use e.clock, or say here what span is measured", found, spans)
	}
}
