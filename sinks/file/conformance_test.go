package file

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/sinks/sinktest"
)

func TestConformance(t *testing.T) {
	for _, variant := range []struct {
		name    string
		options Options
		read    func(path string) (string, error)
	}{
		{"raw", Options{}, readRaw},
		{"json", Options{Format: JSON}, readJSON},
		{"env", Options{Format: Env}, sourceInShell},
		{"template", Options{Format: Template, Template: "key {{.KeyID}} v{{.Version}}\n<<{{.Secret}}>>\n"}, readBetween},
		{"raw, keeping the previous", Options{KeepPrevious: true}, readRaw},
	} {
		t.Run(variant.name, func(t *testing.T) {
			sinktest.Run(t, func(t *testing.T) sinktest.Harness { return harness(t, variant.options, variant.read) })
		})
	}
}

var errStopped = errors.New("stopped by the test")

func harness(t *testing.T, o Options, read func(string) (string, error)) sinktest.Harness {
	o.Path = filepath.Join(t.TempDir(), "keys") + "/{{.Provider}}/{{.ServiceUser}}"
	adopting := o
	adopting.AdoptExisting = true
	return sinktest.Harness{
		Sink:     newSink(t, o),
		Adopting: newSink(t, adopting),
		Stopping: func(t testing.TB, n int) (rotator.Sink, func() bool) {
			s, at := newSink(t, o), atomic.Int64{}
			s.step = func(string) error {
				if at.Add(1) > int64(n) {
					return errStopped
				}
				return nil
			}
			return s, func() bool { return at.Load() > int64(n) }
		},
		Read: func(location string) (string, bool, error) {
			got, err := read(location)
			if errors.Is(err, fs.ErrNotExist) {
				return "", false, nil
			}
			return got, err == nil, err
		},
		Overwrite: func(location, value string) error {
			return errors.Join(os.MkdirAll(filepath.Dir(location), 0o750), os.WriteFile(location, foreign(o.Format, value), 0o600))
		},
		Remove: os.Remove,
	}
}

func newSink(t testing.TB, o Options) *Sink {
	t.Helper()
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// foreign is what a person would write for value in the format, so that readers of the format read it.
func foreign(f Format, value string) []byte {
	switch f {
	case JSON:
		out, _ := json.Marshal(map[string]string{"api_key": value}) // a string can be encoded
		return out
	case Env:
		return []byte("API_KEY='" + value + "'\n")
	case Template:
		return []byte("<<" + value + ">>\n")
	default:
		return []byte(value)
	}
}

func readRaw(path string) (string, error) {
	content, err := os.ReadFile(path)
	return string(content), err
}

func readJSON(path string) (string, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	var values struct {
		Key string `json:"api_key"`
	}
	return values.Key, json.Unmarshal(content, &values)
}

// sourceInShell reads as a shell script does.
func sourceInShell(path string) (string, error) {
	if _, err := os.Stat(path); err != nil {
		return "", err
	}
	out, err := exec.Command("sh", "-c", `set -eu; . "$1"; printf %s "$API_KEY"`, "sh", path).Output()
	return string(out), err
}

func readBetween(path string) (string, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	text := string(content)
	for i := range len(text) - 1 {
		if text[i:i+2] == "<<" {
			return text[i+2 : len(text)-len(">>\n")], nil
		}
	}
	return "", errors.New("no secret in it")
}
