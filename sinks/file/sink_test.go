package file

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rotatord/rotatord/rotator"
)

const secret = "S3CR3T-of-the-test"

func delivery(t testing.TB, s *Sink, version int) rotator.Delivery {
	t.Helper()
	c := rotator.Coordinates{Provider: "p", UserID: "1", ServiceUser: "robot", Credential: "ci"}
	location, err := s.Location(c)
	if err != nil {
		t.Fatal(err)
	}
	return rotator.Delivery{
		Coordinates: c, Location: location, Version: version, KeyID: "17", KeyName: "ci-r0001", Rotation: "r1", Fingerprint: "f1",
		Expires: time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC), Secret: rotator.SecretString(fmt.Sprintf("%s-%d", secret, version)),
	}
}

func deliver(t testing.TB, s *Sink, d rotator.Delivery) {
	t.Helper()
	if _, err := s.Deliver(t.Context(), d); err != nil {
		t.Fatal(err)
	}
}

func refused(t testing.TB, s *Sink, d rotator.Delivery, want rotator.Kind, words string) {
	t.Helper()
	_, err := s.Deliver(t.Context(), d)
	if err == nil || rotator.KindOf(err) != want || !strings.Contains(err.Error(), words) {
		t.Fatalf("the delivery ended with %v; want a fault of kind %s that says %q", err, want, words)
	}
	if strings.Contains(err.Error(), secret) {
		t.Errorf("the error holds the secret: %v", err)
	}
}

func content(t testing.TB, path string) string {
	t.Helper()
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(got)
}

func names(t testing.TB, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

func TestLayouts(t *testing.T) {
	for _, test := range []struct {
		name    string
		options Options
		want    string
	}{
		{"raw", Options{}, secret + "-1"},
		{"json", Options{Format: JSON, Field: "token"}, `{
  "credential": "ci",
  "expires": "2030-01-02T03:04:05Z",
  "key_id": "17",
  "key_name": "ci-r0001",
  "provider": "p",
  "service_user": "robot",
  "token": "` + secret + `-1",
  "version": 1
}
`},
		{"env", Options{Format: Env, Field: "ci_token"}, `CI_TOKEN="` + secret + `-1"
CI_TOKEN_ID="17"
CI_TOKEN_NAME="ci-r0001"
CI_TOKEN_VERSION="1"
CI_TOKEN_EXPIRES="2030-01-02T03:04:05Z"
`},
		{"template", Options{Format: Template, Template: `{{upper .ServiceUser}}:{{.Secret}}`}, "ROBOT:" + secret + "-1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.options.Path = t.TempDir() + "/{{.ServiceUser}}"
			s := newSink(t, test.options)
			d := delivery(t, s, 1)
			deliver(t, s, d)
			if diff := cmp.Diff(test.want, content(t, d.Location)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestStepsAreInOrder holds the sequence on which durability rests: every rename is followed by a sync of its folder, the mark
// precedes the content, and folders are made durable before files are put into them.
func TestStepsAreInOrder(t *testing.T) {
	s := newSink(t, Options{Path: t.TempDir() + "/keys/{{.Provider}}/{{.ServiceUser}}", KeepPrevious: true})
	var steps []string
	s.step = func(what string) error { steps = append(steps, what); return nil }
	d := delivery(t, s, 1)
	deliver(t, s, d)
	replaced := func(name string) []string {
		return []string{"create for " + name, "rename to " + name, "sync folder of " + name}
	}
	want := []string{
		"mkdir keys", "rename folder keys", "sync parent of keys", "mkdir p", "rename folder p", "sync parent of p",
	}
	want = append(want, replaced(".robot.rotatord.json")...)
	want = append(want, replaced("robot")...)
	want = append(want, replaced(".robot.rotatord.json")...)
	if diff := cmp.Diff(want, steps); diff != "" {
		t.Errorf("first delivery: %s", diff)
	}
	steps = nil
	deliver(t, s, d)
	if len(steps) != 0 {
		t.Errorf("the same delivery again did %v", steps)
	}
	deliver(t, s, delivery(t, s, 2))
	want = append(replaced(".robot.rotatord.json"), replaced("robot.previous")...)
	want = append(want, replaced("robot")...)
	want = append(want, replaced(".robot.rotatord.json")...)
	if diff := cmp.Diff(want, steps); diff != "" {
		t.Errorf("second delivery: %s", diff)
	}
}

func TestPermissionsAreThereBeforeTheName(t *testing.T) {
	if old := syscall.Umask(0o077); old != 0o077 {
		defer syscall.Umask(old)
	}
	dir := t.TempDir()
	s := newSink(t, Options{Path: dir + "/keys/{{.ServiceUser}}", Mode: 0o640, DirMode: 0o751, Owner: "12", Group: "34"})
	looks := 0
	s.step = func(what string) error {
		if !strings.HasPrefix(what, "rename to ") {
			return nil
		}
		for _, name := range names(t, dir+"/keys") {
			if strings.HasSuffix(name, tempSuffix) {
				looks++
				wantPermissions(t, filepath.Join(dir, "keys", name), 0o640)
			}
		}
		return nil
	}
	d := delivery(t, s, 1)
	deliver(t, s, d)
	if looks != 3 {
		t.Errorf("looked at %d temporary files, want 3", looks)
	}
	wantPermissions(t, d.Location, 0o640)
	wantPermissions(t, dir+"/keys/.robot.rotatord.json", 0o640)
	wantPermissions(t, dir+"/keys", 0o751|fs.ModeDir)
}

func wantPermissions(t *testing.T, path string, mode fs.FileMode) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	status := info.Sys().(*syscall.Stat_t)
	if info.Mode() != mode || status.Uid != 12 || status.Gid != 34 {
		t.Errorf("%s has mode %v and belongs to %d:%d; want %v and 12:34", path, info.Mode(), status.Uid, status.Gid, mode)
	}
}

func TestMarkHoldsNoSecret(t *testing.T) {
	s := newSink(t, Options{Path: t.TempDir() + "/{{.ServiceUser}}"})
	d := delivery(t, s, 1)
	deliver(t, s, d)
	text := content(t, filepath.Join(s.root, ".robot.rotatord.json"))
	if strings.Contains(text, secret) || !strings.Contains(text, `"rotation": "r1"`) {
		t.Errorf("the mark reads %s", text)
	}
}

func TestKeepPrevious(t *testing.T) {
	s := newSink(t, Options{Path: t.TempDir() + "/{{.ServiceUser}}", KeepPrevious: true})
	for version := 1; version <= 3; version++ {
		deliver(t, s, delivery(t, s, version))
	}
	if got := content(t, filepath.Join(s.root, "robot.previous")); got != secret+"-2" {
		t.Errorf("the previous file holds %q", got)
	}
	if diff := cmp.Diff([]string{".robot.rotatord.json", "robot", "robot.previous"}, names(t, s.root)); diff != "" {
		t.Errorf("the folder: %s", diff)
	}
}

func TestLeftoversAreSwept(t *testing.T) {
	s := newSink(t, Options{Path: t.TempDir() + "/{{.ServiceUser}}"})
	own := tempName("other")
	for _, name := range []string{".robot.ABCDEFGH23456722.rotatord.tmp", own, ".robot.tmp", "x.ABCDEFGH23456722.rotatord.tmp", ".x.short.rotatord.tmp"} {
		if err := os.WriteFile(filepath.Join(s.root, name), []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(s.root, ".folder.ABCDEFGH23456722.rotatord.tmp"), 0o700); err != nil {
		t.Fatal(err)
	}
	deliver(t, s, delivery(t, s, 1))
	got, want := map[string]bool{}, map[string]bool{
		own: true, ".robot.tmp": true, "x.ABCDEFGH23456722.rotatord.tmp": true, ".x.short.rotatord.tmp": true,
		"robot": true, ".robot.rotatord.json": true,
	}
	for _, name := range names(t, s.root) {
		got[name] = true
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("after the sweep: %s", diff)
	}
}

func TestALargeFolderIsSweptOnce(t *testing.T) {
	s := newSink(t, Options{Path: t.TempDir() + "/{{.ServiceUser}}"})
	for i := range largeFolder {
		if err := os.WriteFile(filepath.Join(s.root, fmt.Sprint(i)), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	deliver(t, s, delivery(t, s, 1))
	left := filepath.Join(s.root, ".robot.ABCDEFGH23456722.rotatord.tmp")
	if err := os.WriteFile(left, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	deliver(t, s, delivery(t, s, 2))
	if _, err := os.Stat(left); err != nil {
		t.Errorf("the folder was read again: %v", err)
	}
}

func TestLinksAndFolders(t *testing.T) {
	for _, test := range []struct {
		name  string
		setup func(dir string) error // dir is the sink's root; outside is beside it
		kind  rotator.Kind
		words string
	}{
		{"file is a link to outside", func(dir string) error { return os.Symlink("../outside/robot", dir+"/p/robot") }, rotator.Conflict, "a symbolic link"},
		{"file is a link to inside", func(dir string) error { return os.Symlink("other", dir+"/p/robot") }, rotator.Conflict, "a symbolic link"},
		{"file is a folder", func(dir string) error { return os.Mkdir(dir+"/p/robot", 0o700) }, rotator.Conflict, "a folder"},
		{"file is a pipe", func(dir string) error { return syscall.Mkfifo(dir+"/p/robot", 0o600) }, rotator.Conflict, "a special file"},
		{"file is large", func(dir string) error { return os.WriteFile(dir+"/p/robot", make([]byte, maxContent+1), 0o600) }, rotator.Conflict, "1 MiB"},
		{"folder is a link to outside", func(dir string) error {
			return errors.Join(os.Remove(dir+"/p"), os.Symlink("../outside", dir+"/p"))
		}, rotator.Invalid, "leads out of the sink's root"},
		{"folder is an absolute link", func(dir string) error {
			return errors.Join(os.Remove(dir+"/p"), os.Symlink(filepath.Dir(dir)+"/outside", dir+"/p"))
		}, rotator.Invalid, "leads out of the sink's root"},
		{"folder is a file", func(dir string) error {
			return errors.Join(os.Remove(dir+"/p"), os.WriteFile(dir+"/p", nil, 0o600))
		}, rotator.Conflict, "a file where a folder should be"},
	} {
		t.Run(test.name, func(t *testing.T) {
			top := t.TempDir()
			root, outside := top+"/keys", top+"/outside"
			if err := errors.Join(os.MkdirAll(root+"/p", 0o700), os.Mkdir(outside, 0o700), test.setup(root)); err != nil {
				t.Fatal(err)
			}
			for _, adopt := range []bool{false, true} {
				s := newSink(t, Options{Path: root + "/{{.Provider}}/{{.ServiceUser}}", AdoptExisting: adopt})
				refused(t, s, delivery(t, s, 1), test.kind, test.words)
			}
			if left := names(t, outside); len(left) != 0 {
				t.Errorf("outside of the root there is now %v", left)
			}
		})
	}
}

func TestALinkInsideTheRootIsFollowed(t *testing.T) {
	root := t.TempDir()
	if err := errors.Join(os.Mkdir(root+"/real", 0o700), os.Symlink("real", root+"/p")); err != nil {
		t.Fatal(err)
	}
	s := newSink(t, Options{Path: root + "/{{.Provider}}/{{.ServiceUser}}"})
	deliver(t, s, delivery(t, s, 1))
	if got := content(t, root+"/real/robot"); got != secret+"-1" {
		t.Errorf("the file holds %q", got)
	}
}

func TestAnUnreadableMarkIsNoMark(t *testing.T) {
	s := newSink(t, Options{Path: t.TempDir() + "/{{.ServiceUser}}"})
	d := delivery(t, s, 1)
	deliver(t, s, d)
	if err := os.WriteFile(filepath.Join(s.root, ".robot.rotatord.json"), []byte("{broken"), 0o600); err != nil {
		t.Fatal(err)
	}
	refused(t, s, d, rotator.Conflict, "there is no mark beside it")
	if err := os.Remove(d.Location); err != nil {
		t.Fatal(err)
	}
	deliver(t, s, d)
}

func TestWhatAFormatCannotCarry(t *testing.T) {
	for _, test := range []struct {
		name, value string
		options     Options
		kind        rotator.Kind
	}{
		{"bytes in raw", "a\xff\x00b", Options{}, ""},
		{"bytes in json", "a\xff", Options{Format: JSON}, rotator.Invalid},
		{"bytes in env", "a\xff", Options{Format: Env}, rotator.Invalid},
		{"NUL in env", "a\x00b", Options{Format: Env}, rotator.Invalid},
		{"NUL in json", "a\x00b", Options{Format: JSON}, ""},
		{"an escaping template", `a"b`, Options{Format: Template, Template: `{{.Secret | replace "\"" "-"}}`}, rotator.Invalid},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.options.Path = t.TempDir() + "/{{.ServiceUser}}"
			s := newSink(t, test.options)
			d := delivery(t, s, 1)
			d.Secret = rotator.SecretString(test.value)
			_, err := s.Deliver(t.Context(), d)
			if test.kind == "" {
				got, observeErr := s.Observe(t.Context(), d.Coordinates, d.Location)
				if err != nil || observeErr != nil || !got.Secret.Equal(d.Secret) {
					t.Errorf("delivered with %v, read back with %v", err, observeErr)
				}
				return
			}
			if rotator.KindOf(err) != test.kind || len(names(t, s.root)) != 0 {
				t.Errorf("the delivery ended with %v and left %v", err, names(t, s.root))
			}
		})
	}
}

func TestATemplateThatFailsDoesNotTell(t *testing.T) {
	s := newSink(t, Options{Path: t.TempDir() + "/{{.ServiceUser}}", Format: Template, Template: `{{.Secret}}{{if gt .Version 1}}{{slice .Secret 999}}{{end}}`})
	refused(t, s, delivery(t, s, 2), rotator.Invalid, "slice")
}

func TestNewRefuses(t *testing.T) {
	for _, test := range []struct {
		name    string
		options Options
		words   string
	}{
		{"no path", Options{}, "is empty"},
		{"relative path", Options{Path: "keys/{{.UserID}}"}, "must be absolute"},
		{"any folder of the machine", Options{Path: "/{{.Provider}}/x"}, "below /"},
		{"root of the machine", Options{Path: "/keys/{{.Provider}}", Root: "/"}, "below /"},
		{"path outside root", Options{Path: "/keys/{{.Provider}}", Root: "/other"}, "does not begin with root"},
		{"path beside root", Options{Path: "/keys-2/{{.Provider}}", Root: "/keys"}, "does not begin with root"},
		{"unreadable mode", Options{Path: "/keys/{{.Provider}}", Mode: 0o200}, "reading back"},
		{"setuid", Options{Path: "/keys/{{.Provider}}", Mode: 0o600 | fs.ModeSetuid}, "permission bits"},
		{"locked folder", Options{Path: "/keys/{{.Provider}}", DirMode: 0o500}, "out of the folder"},
		{"unknown owner", Options{Path: "/keys/{{.Provider}}", Owner: "nobody-of-that-name"}, `owner "nobody-of-that-name"`},
		{"unknown group", Options{Path: "/keys/{{.Provider}}", Group: "no-group-of-that-name"}, `group "no-group-of-that-name"`},
		{"unknown format", Options{Path: "/keys/{{.Provider}}", Format: "toml"}, "is unknown"},
		{"field with a dash", Options{Path: "/keys/{{.Provider}}", Field: "api-key"}, `field "api-key"`},
		{"field that is taken", Options{Path: "/keys/{{.Provider}}", Field: "key_id"}, "is used for something else"},
		{"template without the format", Options{Path: "/keys/{{.Provider}}", Template: "x"}, "is not used"},
		{"template without the secret", Options{Path: "/keys/{{.Provider}}", Format: Template, Template: "{{.KeyID}}"}, "byte for byte"},
		{"template with an unknown field", Options{Path: "/keys/{{.Provider}}", Format: Template, Template: "{{.Password}}"}, "Password"},
		{"broken template", Options{Path: "/keys/{{.Provider}}", Format: Template, Template: "{{"}, "template"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if s, err := New(test.options); err == nil || !strings.Contains(err.Error(), test.words) {
				t.Errorf("New gave %v, %v; want an error that says %q", s, err, test.words)
			}
		})
	}
}

func TestNamesOfOurOwnAreNotLocations(t *testing.T) {
	s := newSink(t, Options{Path: t.TempDir() + "/{{.ServiceUser}}"})
	for _, name := range []string{"x.rotatord.json", "x.rotatord.tmp", "x.previous", strings.Repeat("x", maxName+1)} {
		if got, err := s.Location(rotator.Coordinates{ServiceUser: name}); rotator.KindOf(err) != rotator.Invalid {
			t.Errorf("%.30s is located at %.30s, %v", name, got, err)
		}
	}
	longest := strings.Repeat("x", maxName)
	d := delivery(t, s, 1)
	d.Location = s.root + "/" + longest
	deliver(t, s, d)
}

func TestPing(t *testing.T) {
	s := newSink(t, Options{Path: t.TempDir() + "/not/yet/{{.ServiceUser}}"})
	if err := s.Ping(t.Context()); err != nil {
		t.Error(err)
	}
	if err := os.WriteFile(filepath.Dir(s.root), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Ping(t.Context()); rotator.KindOf(err) != rotator.Conflict {
		t.Errorf("below a file, Ping says %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Ping(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled, Ping says %v", err)
	}
}

// A file's text is made as the path is: no function reads anything, and none fills the memory.
func TestTemplatesOfFilesAreRestricted(t *testing.T) {
	for _, text := range []string{
		`{{.Secret}}{{call .Secret}}`, `{{.Secret}}{{html .KeyID}}`, `{{range 1000000000}}{{.Secret}}{{end}}`, `{{define "x"}}{{template "x"}}{{end}}{{.Secret}}{{template "x"}}`,
		`{{.Secret}}{{.Expires.Zone}}`, `{{.Secret}}{{"1" | .Expires.Format}}`, `{{.Secret}}{{.Expires.Format .KeyID}}`, `{{.Secret}}{{print .Expires.Format "1"}}`, `{{.Secret}}{{.}}`, `{{with .Secret}}{{.}}{{end}}`, `{{.Secret}}{{printf "%1000000d" 1}}`, `{{.Secret}}{{if gt .Version 9}}{{js .KeyID}}{{end}}`,
	} {
		if _, err := New(Options{Path: t.TempDir() + "/{{.ServiceUser}}", Format: Template, Template: text}); err == nil {
			t.Errorf("%s was taken", text)
		}
	}
}

func TestATemplateMayFormatATime(t *testing.T) {
	s := newSink(t, Options{Path: t.TempDir() + "/{{.ServiceUser}}", Format: Template, Template: `{{.Secret}}{{if not .Expires.IsZero}} {{.Expires.Format "2006-01-02"}}{{end}}`})
	d := delivery(t, s, 1)
	if _, err := s.Deliver(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(d.Location)
	if err != nil || !strings.HasSuffix(string(content), " 2030-01-02") {
		t.Errorf("wrote %q, %v", strings.ReplaceAll(string(content), string(d.Secret.Reveal()), "…"), err)
	}
}
