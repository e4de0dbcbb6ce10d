// Package docs holds no code: its tests keep what people wrote true to what the program does.
package docs

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rotatord/rotatord/config"
	"github.com/rotatord/rotatord/rotator"
)

// root of the repository, seen from here.
const root = ".."

// complete stands in the line before a block of YAML that is a whole configuration file.
const complete = "<!-- complete configuration -->"

// built are folders at the root that hold what the build made, or what git keeps.
var built = []string{".git", "bin", "dist"}

// page is a Markdown file, split into what is shown as code and what is not.
type page struct {
	path   string
	prose  []string // lines outside of fences
	blocks []block
}

// block is what stands between two fences.
type block struct {
	line     int
	language string
	complete bool
	text     string
}

// pages reads every Markdown file of the repository.
func pages(t *testing.T) []page {
	t.Helper()
	var all []page
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && slices.Contains(built, d.Name()) && filepath.Dir(path) == root:
			return filepath.SkipDir
		case d.IsDir() || filepath.Ext(path) != ".md":
			return nil
		}
		all = append(all, readPage(t, path))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 10 {
		t.Fatalf("only %d pages found: this test looks at the wrong place", len(all))
	}
	return all
}

func readPage(t *testing.T, path string) page {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	p := page{path: path}
	var open *block
	before := ""
	for i, line := range strings.Split(string(text), "\n") {
		language, fence := strings.CutPrefix(strings.TrimSpace(line), "```")
		switch {
		case fence && open == nil:
			open = &block{line: i + 1, language: language, complete: before == complete}
		case fence:
			p.blocks = append(p.blocks, *open)
			open = nil
		case open != nil:
			open.text += line + "\n"
		default:
			p.prose = append(p.prose, line)
		}
		before = strings.TrimSpace(line)
	}
	if open != nil {
		t.Errorf("%s:%d: this fence is not closed", path, open.line)
	}
	return p
}

func TestEveryBlockReasonIsExplained(t *testing.T) {
	explained := map[string][]string{}
	heading := ""
	for _, line := range readPage(t, "operations.md").prose {
		if strings.HasPrefix(line, "#") {
			heading = strings.Trim(strings.TrimLeft(line, "#"), " `")
			continue
		}
		explained[heading] = append(explained[heading], strings.Fields(line)...)
	}
	for _, b := range rotator.BlockReasons() {
		words := explained[string(b)]
		if len(words) < 25 {
			t.Errorf("operations.md says %d words about %s; say what it means, what to do, and what happens by itself", len(words), b)
		}
		if !slices.Contains(words, "**Do:**") {
			t.Errorf("operations.md does not say what to do about %s, after **Do:**", b)
		}
	}
}

func TestOperationsExplainsNoReasonThatIsGone(t *testing.T) {
	reason := regexp.MustCompile("^### `([a-z_]+)`$")
	// The first four are those of package web: three stand against a provider as a whole.
	known := []string{"breaker_open", "scan_failed", "journal_failing", "leak_not_confirmed", "verified_differs", "verified_refused", "verified_unreachable", rotator.ComplaintTrouble, rotator.ComplaintDrift}
	for _, b := range rotator.BlockReasons() {
		known = append(known, string(b))
	}
	for _, line := range readPage(t, "operations.md").prose {
		if m := reason.FindStringSubmatch(line); m != nil && !slices.Contains(known, m[1]) {
			t.Errorf("operations.md explains %s, which the program does not know", m[1])
		}
	}
}

func TestCompleteConfigurationsAreAccepted(t *testing.T) {
	found := map[string]int{}
	for _, p := range pages(t) {
		for _, b := range p.blocks {
			if !b.complete {
				continue
			}
			found[filepath.Base(p.path)]++
			cfg, err := config.Parse(fmt.Sprintf("%s (line 1 is %d)", p.path, b.line+1), []byte(b.text))
			if err != nil {
				t.Error(err)
				continue
			}
			for _, w := range cfg.Warnings {
				t.Errorf("warning: %s", w)
			}
		}
	}
	for _, name := range []string{"README.md", "guide.md"} {
		if found[name] == 0 {
			t.Errorf("%s shows no complete configuration (%s before the fence)", name, complete)
		}
	}
}

var (
	inlineCode = regexp.MustCompile("`[^`]*`")
	inlineLink = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	namedLink  = regexp.MustCompile(`^\[[^\]]+\]:\s+(\S+)`)
	htmlLink   = regexp.MustCompile(`(?:src|href|srcset)="([^"]+)"`)
)

func TestLinksResolve(t *testing.T) {
	all := pages(t)
	anchors := map[string][]string{}
	for _, p := range all {
		anchors[p.path] = p.anchors()
	}
	checked := 0
	for _, p := range all {
		for _, target := range p.links() {
			checked++
			if err := resolve(p.path, target, anchors); err != nil {
				t.Errorf("%s: %v", p.path, err)
			}
		}
	}
	if checked < 20 {
		t.Errorf("only %d relative links found", checked)
	}
}

// links returns the targets within the repository.
func (p page) links() []string {
	var targets []string
	for _, line := range p.prose {
		line = inlineCode.ReplaceAllString(line, "``")
		for _, pattern := range []*regexp.Regexp{inlineLink, namedLink, htmlLink} {
			for _, m := range pattern.FindAllStringSubmatch(line, -1) {
				if u, err := url.Parse(m[1]); err != nil || u.Scheme == "" {
					targets = append(targets, m[1])
				}
			}
		}
	}
	return targets
}

// anchors returns what a link may have behind its #, made from headings as GitHub makes it.
func (p page) anchors() []string {
	var all []string
	for _, line := range p.prose {
		if text, ok := strings.CutPrefix(strings.TrimLeft(line, "#"), " "); ok && strings.HasPrefix(line, "#") {
			all = append(all, slug(text))
		}
	}
	return all
}

func slug(heading string) string {
	keep := func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case strings.ContainsRune("-_", r), r >= 'a' && r <= 'z', r >= '0' && r <= '9', r > 127 && r != '–' && r != '…':
			return r
		default:
			return -1
		}
	}
	return strings.Map(keep, strings.ToLower(strings.TrimSpace(heading)))
}

func resolve(from, target string, anchors map[string][]string) error {
	file, anchor, hasAnchor := strings.Cut(target, "#")
	path := from
	if file != "" {
		path = filepath.Join(filepath.Dir(from), filepath.FromSlash(file))
	}
	if _, err := os.Stat(path); err != nil {
		return fmt.Errorf("link %s leads nowhere: %w", target, err)
	}
	if hasAnchor && filepath.Ext(path) == ".md" && !slices.Contains(anchors[path], anchor) {
		return fmt.Errorf("link %s: there is no heading for it", target)
	}
	return nil
}

// TestGuaranteesNameTestsThatExist holds the README's table to the tests that it names.
func TestGuaranteesNameTestsThatExist(t *testing.T) {
	exists := testFunctions(t)
	named := regexp.MustCompile("`(Test[A-Za-z0-9]+)`")
	row := regexp.MustCompile(`^\| \*\*(G\d)`)
	var seen []string
	for _, line := range readPage(t, filepath.Join(root, "README.md")).prose {
		m := row.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		seen = append(seen, m[1])
		tests := named.FindAllStringSubmatch(line, -1)
		if len(tests) == 0 {
			t.Errorf("README.md: %s names no test", m[1])
		}
		for _, name := range tests {
			if !exists[name[1]] {
				t.Errorf("README.md: %s names %s, which does not exist", m[1], name[1])
			}
		}
	}
	if want := []string{"G1", "G2", "G3", "G4", "G5", "G6", "G7", "G8", "G9"}; !slices.Equal(seen, want) {
		t.Errorf("README.md has rows for %v, want %v", seen, want)
	}
}

// TestTheThreatModelNamesTestsThatExist holds each defence to its tests, and each kind of threat to a row.
func TestTheThreatModelNamesTestsThatExist(t *testing.T) {
	exists := testFunctions(t)
	named := regexp.MustCompile("`((?:Test|Fuzz)[A-Za-z0-9]+)`")
	text := strings.Join(readPage(t, "threat-model.md").prose, "\n")
	tests := named.FindAllStringSubmatch(text, -1)
	if len(tests) < 40 {
		t.Errorf("only %d tests are named", len(tests))
	}
	for _, name := range tests {
		if !exists[name[1]] {
			t.Errorf("threat-model.md names %s, which does not exist", name[1])
		}
	}
	for _, kind := range []string{"Spoofing", "Tampering", "Repudiation", "Disclosure", "Denial", "Elevation", "Supply chain"} {
		if !strings.Contains(text, "| **"+kind+"** |") {
			t.Errorf("threat-model.md has no row for %s", kind)
		}
	}
}

func testFunctions(t *testing.T) map[string]bool {
	t.Helper()
	declared := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)[A-Za-z0-9]+)\(`)
	exists := map[string]bool{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		source, err := os.ReadFile(path)
		for _, m := range declared.FindAllSubmatch(source, -1) {
			exists[string(m[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return exists
}

// TestMetricsAndCommandsExist holds pages to the generated references.
func TestMetricsAndCommandsExist(t *testing.T) {
	metrics := referenceOf(t, "metrics.md", regexp.MustCompile("`(rotatord_[a-z_]+)`"))
	commands := referenceOf(t, "cli.md", regexp.MustCompile("(?m)^## rotatord ([a-z-]+)"))
	commands["completion"] = true
	usedMetric := regexp.MustCompile(`\brotatord_[a-z_]+`)
	usedCommand := regexp.MustCompile(`(?:^|[\x60/ ])rotatord ([a-z][a-z-]*)`)
	for _, p := range pages(t) {
		for _, code := range p.code() {
			for _, name := range usedMetric.FindAllString(code, -1) {
				if !metrics[name] && !metrics[histogram(name)] {
					t.Errorf("%s: there is no metric %s", p.path, name)
				}
			}
			for _, m := range usedCommand.FindAllStringSubmatch(ours(code), -1) {
				if !commands[m[1]] {
					t.Errorf("%s: there is no command rotatord %s", p.path, m[1])
				}
			}
		}
	}
}

// ours is the part of a line of shell that rotatord gets to see. Programs that manage what is called rotatord have the name among
// their own arguments, and run the command that stands behind.
func ours(code string) string {
	program, _, _ := strings.Cut(strings.TrimSpace(code), " ")
	switch program {
	case "kubectl", "helm", "vault":
		_, code, _ = strings.Cut(code, " -- ")
	case "docker":
		if _, inside, ok := strings.Cut(code, " exec rotatord "); ok {
			return inside
		}
	}
	return code
}

// histogram is the metric that a series of a histogram belongs to.
func histogram(series string) string {
	for _, suffix := range []string{"_bucket", "_sum", "_count"} {
		if name, ok := strings.CutSuffix(series, suffix); ok {
			return name
		}
	}
	return ""
}

// code returns what people copy: spans of code, and lines of shell.
func (p page) code() []string {
	var all []string
	for _, line := range p.prose {
		all = append(all, inlineCode.FindAllString(line, -1)...)
	}
	for _, b := range p.blocks {
		if b.language == "sh" {
			all = append(all, strings.Split(b.text, "\n")...)
		}
	}
	return all
}

func referenceOf(t *testing.T, name string, pattern *regexp.Regexp) map[string]bool {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("reference", name))
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, m := range pattern.FindAllSubmatch(text, -1) {
		found[string(m[1])] = true
	}
	if len(found) == 0 {
		t.Fatalf("nothing found in reference/%s", name)
	}
	return found
}

// TestDecisionsAreOnePage keeps the records short, in one form, and listed.
func TestDecisionsAreOnePage(t *testing.T) {
	records, err := filepath.Glob("adr/[0-9]*.md")
	if err != nil || len(records) == 0 {
		t.Fatalf("no records: %v", err)
	}
	index, err := os.ReadFile("adr/README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range records {
		p := readPage(t, path)
		for _, heading := range []string{"## Context", "## Decision", "## Consequences"} {
			if !slices.Contains(p.prose, heading) {
				t.Errorf("%s has no %q", path, heading)
			}
		}
		if len(p.prose) > 60 {
			t.Errorf("%s has %d lines, which is more than a page", path, len(p.prose))
		}
		if !strings.Contains(string(index), "("+filepath.Base(path)+")") {
			t.Errorf("adr/README.md does not list %s", path)
		}
	}
}

// TestPicturesAreLegible checks that drawings are well-formed, have a text for those who cannot see them, and know both
// colour schemes.
func TestPicturesAreLegible(t *testing.T) {
	drawings, err := filepath.Glob("*.svg")
	if err != nil || len(drawings) == 0 {
		t.Fatalf("no drawings: %v", err)
	}
	for _, path := range drawings {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, needed := range []string{"<title", "<desc", "prefers-color-scheme: dark", `role="img"`} {
			if !strings.Contains(string(text), needed) {
				t.Errorf("%s has no %s", path, needed)
			}
		}
		d := xml.NewDecoder(strings.NewReader(string(text)))
		for err == nil {
			_, err = d.Token()
		}
		if !errors.Is(err, io.EOF) {
			t.Errorf("%s: %v", path, err)
		}
	}
}
