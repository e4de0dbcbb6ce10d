// Command testsum reads the output of go test -json and prints what a person needs: a line for each package, the full
// output of what failed, and at the end one line "N passed, N failed, N skipped" that counts tests.
//
// It exits with 1 when something failed, when no test ran, and, with -no-skips, when a test was skipped.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
)

// event is one line of go test -json; see "go doc test2json".
type event struct {
	Action     string
	Package    string
	ImportPath string
	Test       string
	Output     string
	Elapsed    float64
}

// summary collects the output of what may still fail, by package and test, and counts what is over.
type summary struct {
	out                     io.Writer
	output                  map[string]*strings.Builder
	passed, failed, skipped int
	skips                   []string
	broken                  bool
}

func main() {
	noSkips := flag.Bool("no-skips", false, "fail when a test was skipped")
	flag.Parse()
	s := &summary{out: os.Stdout, output: map[string]*strings.Builder{}}
	if err := s.read(os.Stdin); err != nil {
		fmt.Fprintln(os.Stderr, "testsum:", err)
		os.Exit(1)
	}
	if err := s.verdict(*noSkips); err != nil {
		fmt.Fprintln(os.Stderr, "testsum:", err)
		os.Exit(1)
	}
}

func (s *summary) read(r io.Reader) error {
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			s.line(line)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (s *summary) line(line []byte) {
	var e event
	if json.Unmarshal(line, &e) != nil {
		_, _ = s.out.Write(line) // what go itself has to say
		return
	}
	switch e.Action {
	case "output", "build-output":
		s.collect(e)
	case "pass", "fail", "skip":
		s.over(e)
	case "build-fail":
		s.broken = true
		s.print(e)
	}
}

func key(e event) string { return e.Package + e.ImportPath + " " + e.Test }

func (s *summary) collect(e event) {
	b := s.output[key(e)]
	if b == nil {
		b = &strings.Builder{}
		s.output[key(e)] = b
	}
	b.WriteString(e.Output)
}

func (s *summary) print(e event) {
	if b := s.output[key(e)]; b != nil {
		_, _ = io.WriteString(s.out, b.String())
	}
}

// over counts a test or prints the line of a package. A parent fails with its subtests, so all that failed is printed.
func (s *summary) over(e event) {
	defer delete(s.output, key(e))
	if e.Test == "" {
		s.packageOver(e)
		return
	}
	switch e.Action {
	case "pass":
		s.passed++
	case "skip":
		s.skipped++
		s.skips = append(s.skips, e.Package+" "+e.Test)
	default:
		s.failed++
		s.print(e)
	}
}

func (s *summary) packageOver(e event) {
	switch e.Action {
	case "fail":
		s.broken = true
		s.print(e)
		_, _ = fmt.Fprintf(s.out, "FAIL  %s  %.1fs\n", e.Package, e.Elapsed)
	case "pass":
		_, _ = fmt.Fprintf(s.out, "ok    %s  %.1fs\n", e.Package, e.Elapsed)
	}
}

func (s *summary) verdict(noSkips bool) error {
	for _, skip := range s.skips {
		_, _ = fmt.Fprintln(s.out, "skipped:", skip)
	}
	_, _ = fmt.Fprintf(s.out, "%d passed, %d failed, %d skipped\n", s.passed, s.failed, s.skipped)
	switch {
	case s.failed > 0 || s.broken:
		return errors.New("something failed, see above")
	case s.passed == 0:
		return errors.New("no test ran")
	case noSkips && s.skipped > 0:
		return errors.New("a test was skipped, and all of them must run here")
	}
	return nil
}
