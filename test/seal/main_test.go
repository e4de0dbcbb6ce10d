// Package seal_test proves what the seal promises, with the built binary: a key that Vault wraps, and a memory without
// secrets.
package seal_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rotatord/rotatord/emulator"
	"github.com/rotatord/rotatord/test/daemon"
)

func TestMain(m *testing.M) { daemon.Main(m) }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// scene is an emulated provider with one service user whose key is due, and a daemon that delivers to files.
type scene struct {
	t        *testing.T
	provider *daemon.Emulator
	service  daemon.Service
	d        *daemon.Daemon
}

const policies = `
scan: {schedule: "@every 2s"}
providers:
  - {name: cc, type: certcentral, base_url: %q, api_key_file: $DIR/manager.key, propagation: 1s, rates: [{requests: 100000, per: 1m}]}
sinks:
  - {name: disk, type: file, path: "$DIR/keys/{{.ServiceUser}}", mode: "0600", format: %s}
policies:
  - {name: hour, max_age: 1h, renew_before: 30m, grace: 1s, idle: 1s, jitter: 0%%, sinks: [disk]}
`

func newScene(t *testing.T, store, format string, files map[string]string) *scene {
	t.Helper()
	s := &scene{t: t, provider: daemon.Emulate(t, emulator.CertCentralOptions{Rates: []emulator.Rate{}})}
	s.service = s.provider.AddService("ci-build", "deploy", 40*time.Minute)
	all := map[string]string{"manager.key": s.provider.ManagerSecret()}
	for name, content := range files {
		all[name] = content
	}
	s.d = daemon.New(t, daemon.Config{YAML: store + fmt.Sprintf(policies, s.provider.BaseURL, format), Files: all})
	return s
}

// undeliverable keeps the rotation in delivering until free.
func (s *scene) undeliverable() (free func()) {
	s.t.Helper()
	must(s.t, os.MkdirAll(s.d.Path("keys/ci-build/occupied"), 0o700))
	return func() { must(s.t, os.RemoveAll(s.d.Path("keys/ci-build"))) }
}

func (s *scene) inStage(stage string) {
	s.t.Helper()
	daemon.Await(s.t, daemon.Patience, "a rotation in "+stage, func() error {
		open, _ := s.d.Rotations()
		if len(open) == 1 && open[0].Stage == stage {
			return nil
		}
		return fmt.Errorf("there is %+v", open)
	})
}

func (s *scene) done() {
	s.t.Helper()
	daemon.Await(s.t, daemon.Patience, "the end of the rotation", func() error {
		open, ended := s.d.Rotations()
		if len(open) == 0 && len(ended) == 1 && ended[0].Stage == "done" {
			return nil
		}
		return fmt.Errorf("open %+v, ended %+v", open, ended)
	})
}

// delivered is what consumers read.
func (s *scene) delivered() string {
	s.t.Helper()
	content, err := os.ReadFile(filepath.Join(s.d.Dir, "keys", "ci-build"))
	must(s.t, err)
	return string(content)
}
