// Package test holds the tests that look at the product from outside: its import graph here, and the built binary
// against real servers in the packages below.
package test

import (
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/rotatord/rotatord"

// rule forbids some packages of the module, and what they need, to others.
type rule struct {
	name string
	// applies says which packages the rule is about, by their path below the module.
	applies func(pkg string) bool
	// forbids says what such a package must not need, directly or not; other modules have their full path.
	forbids func(pkg, dep string) bool
}

// shared are the pieces that several providers or sinks are made of, and their conformance suites. They are neither a
// provider nor a sink, and are held to the same rule: they know none.
var shared = []string{
	"providers/providertest", "providers/internal/rest", "sinks/sinktest",
	"sinks/mark", "sinks/pathtemplate", "sinks/stripe",
}

var rules = []rule{
	{
		name:    "a provider or a sink knows rotator and nothing else of the product",
		applies: isPlugin,
		forbids: func(pkg, dep string) bool {
			return under(dep, "rotator/engine", "rotator/journal", "config", "web", "internal", "cmd", "emulator") ||
				under(dep, "providers", "sinks") && family(dep) != family(pkg) && !under(dep, shared...)
		},
	},
	{
		name:    "rotator knows no vendor, no database and no other part of the product",
		applies: func(pkg string) bool { return pkg == "rotator" },
		forbids: func(pkg, dep string) bool {
			return dep != pkg && !under(dep, "github.com/robfig/cron")
		},
	},
	{
		name:    "what is below rotator knows no vendor and nothing that is built on it",
		applies: func(pkg string) bool { return under(pkg, "rotator") },
		forbids: func(_, dep string) bool {
			return under(dep, "providers", "sinks", "config", "web", "internal", "cmd", "emulator", "github.com/hashicorp")
		},
	},
	{
		name:    "config and web know neither providers nor sinks nor the wiring",
		applies: func(pkg string) bool { return under(pkg, "config", "web") },
		forbids: func(_, dep string) bool {
			// internal/sheet is one function that knows nothing: what keeps a cell of a sheet from being a formula.
			return under(dep, "providers", "sinks", "internal", "cmd", "emulator") && !under(dep, shared...) && dep != "internal/sheet"
		},
	},
	{
		name:    "only the commands know the commands",
		applies: func(pkg string) bool { return !under(pkg, "cmd") },
		forbids: func(_, dep string) bool { return under(dep, "cmd") },
	},
}

// under reports whether the package is one of the roots or lies below one.
func under(pkg string, roots ...string) bool {
	return slices.ContainsFunc(roots, func(root string) bool { return pkg == root || strings.HasPrefix(pkg, root+"/") })
}

// isPlugin reports whether the package belongs to one provider or sink; the packages providers and sinks themselves
// are the registries, which know them all.
func isPlugin(pkg string) bool {
	return under(pkg, "providers", "sinks") && strings.Contains(pkg, "/")
}

// family is the provider or sink that a package belongs to: providers/certcentral/x is of providers/certcentral.
func family(pkg string) string {
	parts := strings.SplitN(pkg, "/", 3)
	return strings.Join(parts[:min(2, len(parts))], "/")
}

// violations returns a sentence for each package that needs what it must not.
func violations(graph map[string][]string) []string {
	var found []string
	for pkg, deps := range graph {
		for _, r := range rules {
			if !r.applies(pkg) {
				continue
			}
			for _, dep := range deps {
				if r.forbids(pkg, dep) {
					found = append(found, fmt.Sprintf("%s needs %s: %s", pkg, dep, r.name))
				}
			}
		}
	}
	slices.Sort(found)
	return found
}

// importGraph returns what each package of the module needs, directly or not, without its tests and without the standard
// library.
func importGraph(t *testing.T) map[string][]string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-e", "-deps", "-f", `{{.Standard}} {{.ImportPath}} {{join .Deps " "}}`, "./...")
	cmd.Dir = ".."
	var complaint strings.Builder
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, complaint.String())
	}
	standard, graph := map[string]bool{}, map[string][]string{}
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		pkg := fields[1]
		standard[pkg] = fields[0] == "true"
		if !under(pkg, module) {
			continue
		}
		for _, dep := range fields[2:] { // -deps lists a package after all that it needs
			if !standard[dep] {
				graph[short(pkg)] = append(graph[short(pkg)], short(dep))
			}
		}
	}
	return graph
}

func short(pkg string) string { return strings.TrimPrefix(pkg, module+"/") }

// TestImports holds the direction of DESIGN: rotator, then providers, sinks, config and web, then the wiring, then the
// commands.
func TestImports(t *testing.T) {
	graph := importGraph(t)
	for _, pkg := range []string{"rotator", "config"} {
		if len(graph[pkg]) == 0 {
			t.Fatalf("go list does not know %s: the test looks in the wrong place", pkg)
		}
	}
	for _, v := range violations(graph) {
		t.Error(v)
	}
}

func TestImportsRulesFindWhatTheyForbid(t *testing.T) {
	for _, tc := range []struct {
		pkg, dep string
		allowed  bool
	}{
		{"providers/certcentral", "rotator", true},
		{"providers/certcentral", "providers/certcentral/wire", true},
		{"providers/certcentral", "golang.org/x/time/rate", true},
		{"providers/certcentral", "providers/dataspot", false},
		{"providers/certcentral", "sinks/file", false},
		{"providers/certcentral", "rotator/engine", false},
		{"providers/certcentral", "emulator", false},
		{"sinks/vault", "rotator/journal", false},
		{"sinks/vault", "config", false},
		{"sinks/vault", "sinks/pathtemplate", true},
		{"sinks/pathtemplate", "sinks/vault", false},
		{"sinks/vault", "internal/app", false},
		{"providers", "providers/certcentral", true},
		{"rotator", "github.com/robfig/cron/v3", true},
		{"rotator", "rotator/engine", false},
		{"rotator", "modernc.org/sqlite", false},
		{"rotator/journal", "modernc.org/sqlite", true},
		{"rotator/engine", "github.com/hashicorp/vault/api", false},
		{"rotator/engine", "config", false},
		{"config", "rotator", true},
		{"config", "providers/certcentral", false},
		{"config", "sinks/pathtemplate", true},
		{"internal/app", "providers/certcentral", true},
		{"internal/app", "cmd/rotatord", false},
		{"cmd/rotatord", "internal/app", true},
	} {
		found := violations(map[string][]string{tc.pkg: {tc.dep}})
		if (len(found) == 0) != tc.allowed {
			t.Errorf("%s needs %s: allowed %v, found %q", tc.pkg, tc.dep, tc.allowed, found)
		}
	}
}
