package packages

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/rotatord/rotatord/test/child"
)

// packages are built once, as make packages builds them, for this machine alone.
var packages = sync.OnceValues(func() (string, error) {
	root, err := child.ModuleRoot()
	if err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp("", "packages")
	if err != nil {
		return "", err
	}
	cmd := exec.Command(filepath.Join(root, "tools", "release", "build"), dir, "packages")
	cmd.Env = append(os.Environ(), "VERSION=v0.1.0-rc.1", "REVISION=0123456789ab", "PLATFORMS=linux/amd64")
	cmd.Stderr = os.Stderr
	return dir, cmd.Run()
})

func TestMain(m *testing.M) {
	code := m.Run()
	if dir, _ := packages(); dir != "" {
		_ = os.RemoveAll(dir) // what stays is a temporary folder
	}
	os.Exit(code)
}

func built(t *testing.T, name string) string {
	t.Helper()
	dir, err := packages()
	if err != nil {
		t.Fatalf("build the packages: %v\nthe tools for it are made by: make bin/tools/release/.built", err)
	}
	return filepath.Join(dir, name)
}

const (
	debian = "rotatord_0.1.0~rc.1-1_amd64.deb"
	rpm    = "rotatord-0.1.0~rc.1-1.x86_64.rpm"
)

// common are the files of both packages, besides the manual pages, with their modes.
var common = map[string]string{
	"/usr/bin/rotatord":                                  "-rwxr-xr-x",
	"/usr/lib/systemd/system/rotatord.service":           "-rw-r--r--",
	"/usr/lib/sysusers.d/rotatord.conf":                  "-rw-r--r--",
	"/etc/rotatord":                                      "drwxr-xr-x",
	"/etc/rotatord/credentials":                          "drwx------",
	"/usr/share/doc/rotatord/rotatord.example.yaml":      "-rw-r--r--",
	"/usr/share/doc/rotatord/guide.md":                   "-rw-r--r--",
	"/usr/share/doc/rotatord/licences.md":                "-rw-r--r--",
	"/usr/share/doc/rotatord/CHANGELOG.md":               "-rw-r--r--",
	"/usr/share/bash-completion/completions/rotatord":    "-rw-r--r--",
	"/usr/share/fish/vendor_completions.d/rotatord.fish": "-rw-r--r--",
	"/usr/share/man/man1/rotatord.1.gz":                  "-rw-r--r--",
	"/usr/share/man/man1/rotatord-check-config.1.gz":     "-rw-r--r--",
}

func output(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

func TestPackagesHoldWhatTheyShould(t *testing.T) {
	mine := map[string]map[string]string{
		debian: {"/usr/share/doc/rotatord/copyright": "-rw-r--r--", "/usr/share/zsh/vendor-completions/_rotatord": "-rw-r--r--"},
		rpm:    {"/usr/share/licenses/rotatord/LICENSE": "-rw-r--r--", "/usr/share/zsh/site-functions/_rotatord": "-rw-r--r--"},
	}
	lists := map[string]string{
		debian: output(t, "dpkg-deb", "--contents", built(t, debian)),
		rpm:    output(t, "rpm", "-qplv", built(t, rpm)),
	}
	line := regexp.MustCompile(`(?m)^([-dl][rwxsStT-]{9})\s+(?:\d+\s+)?(\S+)\s.*\s\.?(/\S*)$`)
	for name, list := range lists {
		got := map[string]string{}
		for _, m := range line.FindAllStringSubmatch(list, -1) {
			got[strings.TrimSuffix(m[3], "/")] = m[1]
			if !strings.HasPrefix(m[2], "root") {
				t.Errorf("%s: %s belongs to %s", name, m[3], m[2])
			}
		}
		for _, wanted := range []map[string]string{common, mine[name]} {
			for path, mode := range wanted {
				if got[path] != mode {
					t.Errorf("%s: %s is %q, want %q", name, path, got[path], mode)
				}
			}
		}
		for path, mode := range got {
			_, expected := common[path]
			_, own := mine[name][path]
			if !expected && !own && !strings.HasPrefix(path, "/usr/share/man/man1/rotatord-") && !strings.HasPrefix(mode, "d") {
				t.Errorf("%s: nobody expects %s in it", name, path)
			}
		}
	}
}

func TestManualPagesAreReadable(t *testing.T) {
	dir := t.TempDir()
	output(t, "dpkg-deb", "--extract", built(t, debian), dir)
	found, err := filepath.Glob(filepath.Join(dir, "usr/share/man/man1/*.1.gz"))
	if err != nil || len(found) < 20 {
		t.Fatalf("only %d pages: %v", len(found), err)
	}
	for _, page := range found {
		output(t, "gunzip", page)
	}
	found, _ = filepath.Glob(filepath.Join(dir, "usr/share/man/man1/*.1")) // the pattern is good
	if said := output(t, "groff", append([]string{"-k", "-man", "-Tutf8", "-ww", "-z"}, found...)...); said != "" {
		t.Errorf("groff: %s", said)
	}
}

// expect fails unless the scripts asked exactly this of systemctl.
func expect(t *testing.T, r *throwAway, when, want string) {
	t.Helper()
	if got := r.asked(); got != want {
		t.Errorf("%s: systemctl was asked %q, want %q", when, got, want)
	}
}

// works checks that the installed program and its user are there.
func works(t *testing.T, r *throwAway) {
	t.Helper()
	if got := r.run("rotatord", "version"); !strings.Contains(got, "v0.1.0-rc.1") || !strings.Contains(got, "0123456789ab") {
		t.Errorf("rotatord version says %q", got)
	}
	if got := r.run("getent", "passwd", "rotatord"); !strings.Contains(got, ":/var/lib/rotatord:") {
		t.Errorf("the user is %q", got)
	}
	if info, err := os.Stat(r.path("etc/rotatord/credentials")); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("/etc/rotatord/credentials: %v, %v", info, err)
	}
}

// use leaves behind what a daemon that ran would.
func use(r *throwAway) []string {
	kept := []string{"var/lib/rotatord/rotatord.db", "etc/rotatord/rotatord.yaml", "etc/rotatord/credentials/seal.key"}
	for _, name := range kept {
		r.write(name, "kept")
	}
	return kept
}

func stays(t *testing.T, r *throwAway, kept []string) {
	t.Helper()
	for _, name := range kept {
		if !r.exists(name) {
			t.Errorf("%s is gone", name)
		}
	}
	if r.exists("usr/bin/rotatord") {
		t.Error("the program is still there")
	}
}

func TestDebianPackageLives(t *testing.T) {
	file := built(t, debian)
	r := newRoot(t)
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	r.write("rotatord.deb", string(text))

	said := r.run("dpkg", "--install", "/rotatord.deb")
	if !strings.Contains(said, "not started, because it has nothing to do yet") {
		t.Errorf("a first installation does not say what is next:\n%s", said)
	}
	expect(t, r, "installing", "daemon-reload")
	works(t, r)

	kept := use(r)
	if said := r.run("dpkg", "--install", "/rotatord.deb"); strings.Contains(said, "nothing to do yet") {
		t.Errorf("an upgrade explains what is long done:\n%s", said)
	}
	expect(t, r, "upgrading", "daemon-reload; try-restart rotatord.service")

	r.run("dpkg", "--remove", "rotatord")
	expect(t, r, "removing", "disable --now rotatord.service; daemon-reload")
	stays(t, r, kept)
	said = r.run("dpkg", "--purge", "rotatord")
	if !strings.Contains(said, "/var/lib/rotatord stays") {
		t.Errorf("purging does not say what stays:\n%s", said)
	}
	stays(t, r, kept)
}

func TestRPMPackageLives(t *testing.T) {
	file := built(t, rpm)
	r := newRoot(t)
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	r.write("rotatord.rpm", string(text))

	// This machine's packages are Debian's, so that rpm finds nothing that rotatord's package depends on.
	said := r.run("rpm", "--install", "--nodeps", "/rotatord.rpm")
	if !strings.Contains(said, "not started, because it has nothing to do yet") {
		t.Errorf("a first installation does not say what is next:\n%s", said)
	}
	expect(t, r, "installing", "daemon-reload")
	works(t, r)
	kept := use(r)
	r.run("rpm", "--erase", "rotatord")
	expect(t, r, "removing", "disable --now rotatord.service; daemon-reload")
	stays(t, r, kept)

	if depends := output(t, "rpm", "-qp", "--requires", file); !slices.Contains(strings.Fields(depends), "systemd") {
		t.Errorf("the package depends on %q", depends)
	}
}

// TestScriptsTellAnRPMUpgrade runs the scripts as rpm does when another version replaces this one.
func TestScriptsTellAnRPMUpgrade(t *testing.T) {
	root, err := child.ModuleRoot()
	if err != nil {
		t.Fatal(err)
	}
	r := newRoot(t)
	r.write("usr/lib/sysusers.d/rotatord.conf", `u rotatord - "rotatord" /var/lib/rotatord`)
	for _, c := range []struct{ script, given, want string }{
		{"postinstall", "2", "daemon-reload; try-restart rotatord.service"},
		{"preremove", "1", ""},
		{"postremove", "1", ""},
	} {
		text, err := os.ReadFile(filepath.Join(root, "deploy", "packages", c.script))
		if err != nil {
			t.Fatal(err)
		}
		r.write(c.script, string(text))
		r.run("/"+c.script, c.given)
		expect(t, r, c.script, c.want)
	}
}
