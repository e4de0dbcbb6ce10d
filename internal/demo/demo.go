// Package demo shows the whole life of keys in a minute: an emulated provider, the real daemon with policies that count in
// seconds, and consumers that use what is delivered all the while.
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
	"time"

	"go.uber.org/zap"

	"github.com/rotatord/rotatord/emulator"
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

// services are the service users of the demo and the keys they begin with. The ages make them due one after the other.
var services = []struct {
	email, key string
	age        time.Duration
}{
	{"ci-build@example.com", "ci-build", 20 * time.Second},
	{"web-shop@example.com", "web-shop", 12 * time.Second},
	{"backup@example.com", "backup", 4 * time.Second},
}

// lostAnswer is the one thing that goes wrong: a key is made and the connection breaks before the answer arrives.
var lostAnswer = emulator.Fault{
	Name: "lost answer", Match: emulator.Match{Method: "POST", Path: "/key/user/*"}, Nth: 3, Count: 1,
	Effect: emulator.Effect{Kind: emulator.EffectReset, AfterEffect: true},
}

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
	o         Options
	dir       string
	story     *story
	emulator  *emulator.CertCentral
	server    *http.Server
	address   string
	app       *app.App
	consumers []*consumer
}

func (s *stage) open(ctx context.Context) error {
	s.emulator = emulator.NewCertCentral(emulator.CertCentralOptions{NewKeyRefusedFor: time.Second})
	if err := s.emulator.Faults.Add(lostAnswer); err != nil {
		return err
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/_emulator/", s.emulator.AdminHandler())
	mux.Handle("/", s.emulator)
	s.server = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go s.server.Serve(l) //nolint:errcheck // it ends when it is closed
	s.address = "http://" + l.Addr().String() + s.emulator.BasePath()
	if err := s.seed(); err != nil {
		return err
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

// seed fills the provider. Each consumer begins with a key that a person once handed to it.
func (s *stage) seed() error {
	for _, svc := range services {
		user := s.emulator.AddUser(emulator.CertCentralUser{Email: svc.email})
		_, secret, err := s.emulator.AddKey(emulator.CertCentralKey{UserID: user, Name: svc.key, Created: time.Now().Add(-svc.age)})
		if err != nil {
			return err
		}
		s.consumers = append(s.consumers, &consumer{
			name: svc.key, file: filepath.Join(s.dir, "keys", svc.key), url: s.address + "/user/me", key: secret, story: s.story,
		})
	}
	return nil
}

func (s *stage) writeConfig() (string, error) {
	files := map[string]string{
		"seal.key": seal.NewKey(), "manager.key": s.emulator.ManagerSecret(), "rotatord.yaml": s.config(),
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
		vaultSink = fmt.Sprintf("  - {name: vault, type: vault, address: %q, auth: {token_file: %s/vault.token}, mount: %q, path: \"rotatord-demo/{{.Credential}}\"}\n",
			s.o.VaultAddress, s.dir, s.o.VaultMount)
	}
	return fmt.Sprintf(`server: {listen: %q}
store: {path: %[2]s/rotatord.db, seal: {key_file: %[2]s/seal.key}}
scan: {schedule: "@every 2s"}
providers:
  - {name: certcentral, type: certcentral, base_url: %[3]q, api_key_file: %[2]s/manager.key, propagation: 3s, rates: [{requests: 1000, per: 1m}]}
sinks:
  - {name: disk, type: file, path: "%[2]s/keys/{{.Credential}}", mode: "0600", format: raw}
%[4]spolicies:
  - {name: demo, max_age: 45s, renew_before: 25s, grace: 8s, idle: 3s, jitter: 0%%, sinks: %[5]s}
`, s.o.Listen, s.dir, s.address, vaultSink, sinks)
}

// play runs the daemon and the consumers for the time that was asked for, and gives the verdict.
func (s *stage) play(ctx context.Context) error {
	ctx, stop := context.WithTimeout(ctx, s.o.For)
	defer stop()
	s.story.begin(s.o.For, s.app.Addr(), filepath.Join(s.dir, "keys"), s.address, s.o.VaultAddress)
	ended := make(chan struct{}, len(s.consumers))
	for _, c := range s.consumers {
		go func() { c.run(ctx); ended <- struct{}{} }()
	}
	err := s.app.Run(ctx)
	s.app = nil
	for range s.consumers {
		<-ended
	}
	if err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return s.story.verdict(s.consumers)
}

func (s *stage) close() {
	_ = s.server.Close() // it only served this process
}
