package test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// needed are the fields that a literal of a type must set, wherever the product makes one: what happens without them is the
// library's choice, and not a safe one.
var needed = map[string]string{
	"tls.Config":  "MinVersion",
	"http.Client": "CheckRedirect",
	"http.Server": "ReadHeaderTimeout",
}

// avoided are ways to the network that go around package outbound, and what to use in their place.
var avoided = map[string]string{
	"http.Get": "a client with outbound.Transport", "http.Post": "a client with outbound.Transport", "http.Head": "a client with outbound.Transport",
	"http.PostForm": "a client with outbound.Transport", "http.DefaultClient": "a client with outbound.Transport",
	"http.DefaultTransport": "outbound.Transport", "http.ProxyFromEnvironment": "outbound.Proxy",
	"net.Dial": "outbound.Dialer", "net.DialTimeout": "outbound.Dialer", "net.Dialer": "outbound.Dialer", "tls.Dial": "outbound.Dialer",
	"http.ListenAndServe": "web.Server", "http.Serve": "web.Server",
}

// without says which packages a rule does not reach, and why.
var without = map[string][]string{
	// It holds the rules.
	"rotator/outbound": {"net.Dialer", "http.ProxyFromEnvironment"},
	// Its default is replaced by what internal/app hands in, with the rules.
	"providers/digicertone": {"http.DefaultTransport"},
	// The dialer that the mail library is tried with is never used.
	"notify/mail": {"net.Dialer"},
}

// lapses returns a sentence for each place of a file where a rule is broken.
func lapses(where string, files *token.FileSet, file *ast.File) []string {
	var found []string
	note := func(n ast.Node, format string, args ...any) {
		found = append(found, fmt.Sprintf("%s: %s", files.Position(n.Pos()), fmt.Sprintf(format, args...)))
	}
	spared := without[where]
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CompositeLit:
			kind := selected(n.Type)
			if field := needed[kind]; field != "" && !sets(n, field) {
				note(n, "a %s does not set %s", kind, field)
			}
		case *ast.SelectorExpr:
			name := selected(n)
			if instead := avoided[name]; instead != "" && !slices.Contains(spared, name) {
				note(n, "%s is used; use %s", name, instead)
			}
		}
		return true
	})
	return found
}

// selected is "http.Client" for an expression of that form.
func selected(e ast.Expr) string {
	s, ok := e.(*ast.SelectorExpr)
	if !ok {
		return ""
	}
	pkg, ok := s.X.(*ast.Ident)
	if !ok {
		return ""
	}
	return pkg.Name + "." + s.Sel.Name
}

func sets(literal *ast.CompositeLit, field string) bool {
	return slices.ContainsFunc(literal.Elts, func(e ast.Expr) bool {
		pair, ok := e.(*ast.KeyValueExpr)
		if !ok {
			return false
		}
		name, ok := pair.Key.(*ast.Ident)
		return ok && name.Name == field
	})
}

// unverified reports where certificates are not checked. That holds for tests too: they are copied from.
func unverified(files *token.FileSet, file *ast.File) []string {
	var found []string
	ast.Inspect(file, func(n ast.Node) bool {
		if name, ok := n.(*ast.Ident); ok && name.Name == "Insecure"+"SkipVerify" {
			found = append(found, fmt.Sprintf("%s: certificates are not verified", files.Position(n.Pos())))
		}
		return true
	})
	return found
}

// TestEveryClientAndServerKeepsTheRules reads the whole source.
func TestEveryClientAndServerKeepsTheRules(t *testing.T) {
	files, read := token.NewFileSet(), 0
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && slices.Contains([]string{".git", "bin", "dist", "tools", "testdata"}, d.Name()):
			return filepath.SkipDir
		case d.IsDir() || filepath.Ext(path) != ".go":
			return nil
		}
		file, err := parser.ParseFile(files, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		read++
		for _, l := range unverified(files, file) {
			t.Error(l)
		}
		where := filepath.ToSlash(filepath.Dir(strings.TrimPrefix(path, ".."+string(filepath.Separator))))
		if strings.HasSuffix(path, "_test.go") || under(where, "test", "emulator", "simulator", "internal/demo") {
			return nil
		}
		for _, l := range lapses(where, files, file) {
			t.Error(l)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if read < 200 {
		t.Errorf("%d files were read: this test looks in the wrong place", read)
	}
}

func TestRulesOfTheNetworkFindWhatTheyForbid(t *testing.T) {
	for source, want := range map[string]int{
		`var a = tls.Config{}`: 1, `var a = &tls.Config{MinVersion: 1}`: 0, `var a = http.Client{}`: 1, `var a = http.Client{CheckRedirect: f}`: 0,
		`var a = http.Server{}`: 1, `var a, b = http.Get("x")`: 1, `var a = http.DefaultClient`: 1, `var a = net.Dialer{}`: 1,
	} {
		files := token.NewFileSet()
		file, err := parser.ParseFile(files, "x.go", "package x\n"+source, 0)
		if err != nil {
			t.Fatal(err)
		}
		if got := lapses("x", files, file); len(got) != want {
			t.Errorf("%s: %q", source, got)
		}
	}
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, "x.go", "package x\nvar a = tls.Config{Insecure"+"SkipVerify: true}", 0)
	if err != nil {
		t.Fatal(err)
	}
	if got := unverified(files, file); len(got) != 1 {
		t.Errorf("found %q", got)
	}
}
