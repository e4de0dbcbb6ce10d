package compose

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rotatord/rotatord/test/child"
	"github.com/rotatord/rotatord/test/daemon"
)

// patience is how long the key may take to arrive in Vault.
const patience = 2 * time.Minute

// stage is a network namespace in which the services run side by side, and a folder for what they mount.
type stage struct {
	t         *testing.T
	p         project
	namespace string
	dir       string
	programs  map[string]string // of each image
}

// TestAKeyArrivesInVault runs the commands of the compose file until the service user that it declares exists and its key is
// where it says.
func TestAKeyArrivesInVault(t *testing.T) {
	s := newStage(t)
	s.start("vault")
	s.await("Vault to answer", func(ctx context.Context) bool {
		_, err := s.command(ctx, "vault", "status").CombinedOutput()
		return err == nil
	})
	s.start("certcentral")
	for range 2 { // the second time, the key is there
		if out, err := s.command(t.Context(), "rotatord", s.arguments("seal")...).CombinedOutput(); err != nil {
			t.Fatalf("make the seal key: %v\n%s", err, out)
		}
	}
	log := s.start("rotatord")
	var said string
	s.await("the key to be in Vault", func(ctx context.Context) bool {
		out, err := s.command(ctx, "vault", "kv", "get", "-format=json", "secret/certcentral/125002/deploy").CombinedOutput()
		said = string(out) + log.String()
		return err == nil && strings.Contains(string(out), `"api_key"`)
	}, &said)
}

func newStage(t *testing.T) *stage {
	t.Helper()
	s := &stage{t: t, p: read(t), namespace: "compose" + strconv.Itoa(os.Getpid()), dir: t.TempDir(),
		programs: map[string]string{"rotatord": daemon.Binary(t), "vault": built(t, "vault")}}
	for _, args := range [][]string{{"netns", "add", s.namespace}, {"-n", s.namespace, "link", "set", "lo", "up"}} {
		if out, err := exec.CommandContext(t.Context(), "ip", args...).CombinedOutput(); err != nil {
			t.Fatalf("ip %v: %v\n%s\nthis test needs a network namespace of its own, for which it has to be root", args, err, out)
		}
		if args[1] == "add" {
			t.Cleanup(func() { _ = exec.Command("ip", "netns", "del", s.namespace).Run() }) // nothing else remembers it
		}
	}
	// What is mounted into rotatord's containers is laid out below the folder, and named so in its configuration.
	for _, c := range s.p.Services["rotatord"].Configs {
		text := []byte(s.p.Configs[c.Source].Content)
		if file := s.p.Configs[c.Source].File; file != "" {
			var err error
			if text, err = os.ReadFile(file); err != nil {
				t.Fatal(err)
			}
		}
		s.write(c.Target, s.moved(string(text)))
	}
	if err := os.MkdirAll(s.moved("/var/lib/rotatord"), 0o700); err != nil {
		t.Fatal(err)
	}
	return s
}

// moved names the folders of the container by where they are here.
func (s *stage) moved(text string) string {
	for _, place := range []string{"/etc/rotatord", "/var/lib/rotatord"} {
		text = strings.ReplaceAll(text, place, s.dir+place)
	}
	return text
}

func (s *stage) write(target, text string) {
	s.t.Helper()
	path := s.moved(target)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o400); err != nil {
		s.t.Fatal(err)
	}
}

// arguments are the command of a service; where it has none, the image's own.
func (s *stage) arguments(service string) []string {
	args := s.p.Services[service].Command
	if len(args) == 0 {
		args = []string{"run", "--config", "/etc/rotatord/rotatord.yaml"}
	}
	var moved []string
	for _, arg := range args {
		moved = append(moved, s.moved(arg))
	}
	return moved
}

// command runs a program in the namespace, with the environment of compose's Vault.
func (s *stage) command(ctx context.Context, program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "ip", append([]string{"netns", "exec", s.namespace, s.programs[program]}, args...)...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + s.dir, "VAULT_ADDR=http://127.0.0.1:8200", "VAULT_TOKEN=only-to-try-out"}
	for name, value := range s.p.Services["vault"].Environment {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	return cmd
}

// start starts a service, which is stopped when the test ends, and returns what it prints.
func (s *stage) start(service string) *child.Output {
	s.t.Helper()
	program := "rotatord"
	if service == "vault" {
		program = "vault"
	}
	out := new(child.Output)
	cmd := s.command(context.WithoutCancel(s.t.Context()), program, s.arguments(service)...)
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		s.t.Fatalf("start %s: %v", service, err)
	}
	s.t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may have ended
		_ = cmd.Wait()
	})
	return out
}

// await polls until the condition holds.
func (s *stage) await(what string, holds func(ctx context.Context) bool, said ...*string) {
	s.t.Helper()
	ctx, stop := context.WithTimeout(s.t.Context(), patience)
	defer stop()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for !holds(ctx) {
		select {
		case <-tick.C:
		case <-ctx.Done():
			for _, text := range said {
				s.t.Log(*text)
			}
			s.t.Fatalf("waited %s in vain for %s", patience, what)
		}
	}
}
