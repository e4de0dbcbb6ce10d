// Package demo shows the whole life of keys in a minute: three emulated systems, the real daemon with policies that count
// in seconds, a person where one is needed, and consumers that use what is delivered all the while.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/rotatord/rotatord/internal/app"
	"github.com/rotatord/rotatord/rotator/engine"
	"github.com/rotatord/rotatord/rotator/seal"
)

// Options are the command's flags.
type Options struct {
	// For is how long it runs.
	For time.Duration
	// VaultAddress and VaultToken add a Vault sink; both or neither.
	VaultAddress, VaultToken string
	// VaultMount is the mount of a key-value engine there.
	VaultMount string
	// Out is where the story is told; Colour says whether it may use terminal colours.
	Out    io.Writer
	Colour bool
	// Listen is where the daemon's page is served.
	Listen string
	// Version is printed by the daemon.
	Version string
}

// shortest is the shortest time in which a demo shows anything at all.
const shortest = 10 * time.Second

// Check says what is wrong with the options, before anything is started.
func (o Options) Check() error {
	if o.For < shortest {
		return fmt.Errorf("--for is %s; a key's whole life takes at least 30s here, and less than %s shows nothing", o.For, shortest)
	}
	if (o.VaultAddress == "") != (o.VaultToken == "") {
		return errors.New("a Vault address and a token go together: set --vault-address and the variable VAULT_TOKEN, or neither")
	}
	return nil
}

// ErrFailed says that the demo ended and did not show what it was to show. Its verdict has been printed.
var ErrFailed = errors.New("the demo did not prove its claim")

// Run plays the demo and returns nil only if keys were rotated and not one call of any consumer was refused. The options
// have passed their check.
func Run(ctx context.Context, o Options) error {
	dir, err := os.MkdirTemp("", "rotatord-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a folder left in the temporary folder does no harm
	s := &stage{o: o, dir: dir, story: newStory(o.Out, o.Colour)}
	if err := s.open(ctx); err != nil {
		return err
	}
	defer s.close()
	return s.play(ctx)
}

// stage is what the demo is played on.
type stage struct {
	o       Options
	dir     string
	story   *story
	all     []*system
	person  *person
	servers []*http.Server
	app     *app.App
}

func (s *stage) open(ctx context.Context) error {
	var err error
	if s.all, err = s.systems(); err != nil {
		return err
	}
	for _, sys := range s.all {
		if err := s.serve(ctx, sys); err != nil {
			return err
		}
	}
	path, err := s.writeConfig()
	if err != nil {
		return err
	}
	s.app, err = app.New(ctx, app.Options{
		ConfigPath: path, Version: s.o.Version, Log: zap.NewNop(), Observer: s.story,
		Retry: engine.Backoff{Base: 500 * time.Millisecond, Max: 5 * time.Second},
	})
	return err
}

// serve opens the system to the daemon and to its consumers.
func (s *stage) serve(ctx context.Context, sys *system) error {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: sys.handler, ReadHeaderTimeout: 10 * time.Second}
	s.servers = append(s.servers, server)
	go server.Serve(l) //nolint:errcheck // it ends when it is closed
	sys.address = "http://" + l.Addr().String() + sys.base
	for _, c := range sys.consumers {
		c.url = sys.address + sys.whoami
	}
	return nil
}

func (s *stage) writeConfig() (string, error) {
	files := map[string]string{"seal.key": seal.NewKey(), "rotatord.yaml": s.config()}
	for _, sys := range s.all {
		files[sys.name+".key"] = sys.manager
	}
	if s.o.VaultAddress != "" {
		files["vault.token"] = s.o.VaultToken
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(s.dir, name), []byte(content), 0o600); err != nil {
			return "", err
		}
	}
	return filepath.Join(s.dir, "rotatord.yaml"), os.MkdirAll(filepath.Join(s.dir, "keys"), 0o700)
}

// config is an ordinary configuration, but for its clock: what is days elsewhere is seconds here.
func (s *stage) config() string {
	vaultSink, sinks := "", "[disk]"
	if s.o.VaultAddress != "" {
		sinks = "[disk, vault]"
		vaultSink = fmt.Sprintf("  - {name: vault, type: vault, address: %q, auth: {token_file: %s/vault.token}, mount: %q, path: \"rotatord-demo/{{.Provider}}/{{.Credential}}\"}\n",
			s.o.VaultAddress, s.dir, s.o.VaultMount)
	}
	var providers, policies strings.Builder
	for _, sys := range s.all {
		fmt.Fprintf(&providers, "  - {name: %s, %s}\n", sys.name, fmt.Sprintf(sys.provider, sys.address, filepath.Join(s.dir, sys.name+".key")))
		fmt.Fprintf(&policies, "  - {name: %[1]s, match: {providers: [%[1]s]}, %[2]s, jitter: 0%%, sinks: %[3]s}\n", sys.name, sys.policy, sinks)
	}
	return fmt.Sprintf(`server: {listen: %q}
store: {path: %[2]s/rotatord.db, seal: {key_file: %[2]s/seal.key}}
scan: {schedule: "@every 2s"}
providers:
%[3]ssinks:
  - {name: disk, type: file, path: "%[2]s/keys/{{.Provider}}/{{.Credential}}", mode: "0600", format: raw}
%[4]spolicies:
%[5]s`, s.o.Listen, s.dir, providers.String(), vaultSink, policies.String())
}

// play runs the daemon and the consumers for the time that was asked for, and gives the verdict.
func (s *stage) play(ctx context.Context) error {
	ctx, stop := context.WithTimeout(ctx, s.o.For)
	defer stop()
	s.story.begin(s.o.For, s.app.Addr(), filepath.Join(s.dir, "keys"), s.all, s.o.VaultAddress)
	var others sync.WaitGroup
	others.Go(func() { s.person.work(ctx, s.app.Addr()) })
	var consumers []*consumer
	for _, sys := range s.all {
		consumers = append(consumers, sys.consumers...)
	}
	for _, c := range consumers {
		others.Go(func() { c.run(ctx) })
	}
	err := s.app.Run(ctx)
	others.Wait()
	s.app = nil
	if err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return s.story.verdict(consumers, s.all)
}

func (s *stage) close() {
	for _, server := range s.servers {
		_ = server.Close() // it only served this process
	}
}
