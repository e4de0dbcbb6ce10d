package daemon

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rotatord/rotatord/rotator/seal"
)

// Config is what a daemon runs on. In YAML and in the contents of Files, $DIR stands for its folder.
type Config struct {
	// Dir is the daemon's folder, by default one of the test's.
	Dir string
	// YAML holds providers, sinks, policies and, if wanted, scan, log, limits and freezes. The sections server and store
	// are put before it, unless it has one of that name. The daemon must listen at "127.0.0.1:0" and log what is of level info.
	YAML string
	// Env is the daemon's whole environment, beside PATH.
	Env []string
	// Files are written, with mode 0600, before the first start: by name below Dir. "seal.key" gets a random key if it is not
	// among them.
	Files map[string]string
	// Binary is run in place of the binary under test, if it is not empty, also for commands.
	Binary string
	// Under is a command that runs the daemon, such as one that changes the namespace first. It must become the daemon, so that
	// signals reach it.
	Under []string
	// Handed are open files that the daemon finds as its descriptors from 3 on.
	Handed []*os.File
}

// Daemon is a daemon under test. Its methods fail the test when something goes wrong. It is used by one goroutine at a time.
type Daemon struct {
	// Dir is its folder; ConfigPath and StorePath lie below.
	Dir, ConfigPath, StorePath string

	t       testing.TB
	env     []string
	binary  string
	under   []string
	handed  []*os.File
	past    strings.Builder // what earlier processes printed
	process *process
}

// process is one run of the binary.
type process struct {
	cmd    *exec.Cmd
	output output
	ended  chan struct{}
	err    error // how it ended; read it after ended
}

// New writes the configuration and starts nothing.
func New(t testing.TB, c Config) *Daemon {
	t.Helper()
	d := &Daemon{t: t, Dir: c.Dir, env: c.Env, binary: c.Binary, under: c.Under, handed: c.Handed}
	if d.Dir == "" {
		d.Dir = t.TempDir()
	}
	d.ConfigPath, d.StorePath = d.Path("rotatord.yaml"), d.Path("state/rotatord.db")
	files := map[string]string{"seal.key": seal.NewKey()}
	for name, content := range c.Files {
		files[name] = content
	}
	for name, content := range files {
		d.WriteFile(name, content)
	}
	d.Configure(c.YAML)
	t.Cleanup(d.end)
	return d
}

// Start runs a daemon and returns when it is ready.
func Start(t testing.TB, c Config) *Daemon {
	t.Helper()
	d := New(t, c)
	d.Start()
	return d
}

// Path is a path below the daemon's folder.
func (d *Daemon) Path(name string) string { return filepath.Join(d.Dir, name) }

// WriteFile replaces a file below the daemon's folder.
func (d *Daemon) WriteFile(name, content string) {
	d.t.Helper()
	path := d.Path(name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		d.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(strings.ReplaceAll(content, "$DIR", d.Dir)), 0o600); err != nil {
		d.t.Fatal(err)
	}
}

// Configure replaces the configuration file. A running daemon takes it over when it is told to reload.
func (d *Daemon) Configure(yaml string) {
	d.t.Helper()
	head := ""
	for section, text := range map[string]string{
		"server": "server: {listen: \"127.0.0.1:0\"}\n",
		"store":  fmt.Sprintf("store: {path: %s, seal: {key_file: $DIR/seal.key}}\n", d.StorePath),
	} {
		if !strings.Contains("\n"+yaml, "\n"+section+":") {
			head += text
		}
	}
	d.WriteFile("rotatord.yaml", head+yaml)
}

// Launch starts the binary and returns at once.
func (d *Daemon) Launch() {
	d.t.Helper()
	if d.Running() {
		d.t.Fatal("the daemon is running already")
	}
	if d.binary == "" {
		d.binary = Binary(d.t)
	}
	line := slices.Concat(d.under, []string{d.binary, "run", "-c", d.ConfigPath})
	p := &process{cmd: exec.CommandContext(context.Background(), line[0], line[1:]...), ended: make(chan struct{})} //nolint:gosec // our own binary
	p.cmd.Dir, p.cmd.Env = d.Dir, append([]string{"PATH=" + os.Getenv("PATH")}, d.env...)
	p.cmd.Stdout, p.cmd.Stderr, p.cmd.ExtraFiles = &p.output, &p.output, d.handed
	if err := p.cmd.Start(); err != nil {
		d.t.Fatalf("start rotatord: %v", err)
	}
	d.process = p
	go func() {
		p.err = p.cmd.Wait()
		close(p.ended)
	}()
}

// Start starts the binary and returns when the daemon is ready.
func (d *Daemon) Start() {
	d.t.Helper()
	d.Launch()
	d.AwaitReady()
}

// AwaitReady returns when the daemon says that it is ready.
func (d *Daemon) AwaitReady() {
	d.t.Helper()
	err := poll(Patience, d.process.ended, func() error {
		if d.process.output.address() == "" {
			return errors.New("it has not said where it listens")
		}
		return d.ready()
	})
	if err != nil {
		d.t.Fatalf("the daemon did not become ready: %v\n%s", err, tail(d.process.output.String(), 40))
	}
}

func (d *Daemon) ready() error {
	req, err := http.NewRequestWithContext(d.t.Context(), http.MethodGet, d.URL()+"/-/ready", nil)
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer answer.Body.Close() //nolint:errcheck // only the status counts
	if answer.StatusCode != http.StatusOK {
		return errors.New("it answers " + answer.Status)
	}
	return nil
}

// Running reports whether the process is there.
func (d *Daemon) Running() bool {
	if d.process == nil {
		return false
	}
	select {
	case <-d.process.ended:
		return false
	default:
		return true
	}
}

// PID is the process id.
func (d *Daemon) PID() int { return d.process.cmd.Process.Pid }

// Signal sends a signal.
func (d *Daemon) Signal(s os.Signal) {
	d.t.Helper()
	if err := d.process.cmd.Process.Signal(s); err != nil {
		d.t.Fatalf("send %s to the daemon: %v\n%s", s, err, tail(d.process.output.String(), 40))
	}
}

// stopLimit is how long a stop may take: the daemon promises 20 seconds for calls in flight and 5 for answers.
const stopLimit = 27 * time.Second

// Stop asks the daemon to end, as a supervisor does, and returns when it has: by itself, within its promise, with exit code 0.
func (d *Daemon) Stop() {
	d.t.Helper()
	d.Signal(syscall.SIGTERM)
	select {
	case <-d.process.ended:
	case <-time.After(stopLimit):
		d.t.Fatalf("the daemon did not stop within %s\n%s", stopLimit, tail(d.process.output.String(), 40))
	}
	if d.process.err != nil {
		d.t.Fatalf("the daemon stopped with: %v\n%s", d.process.err, tail(d.process.output.String(), 40))
	}
	d.collect()
}

// Kill ends the process with SIGKILL, which it cannot notice.
func (d *Daemon) Kill() {
	d.t.Helper()
	d.Signal(syscall.SIGKILL)
	<-d.process.ended
	d.collect()
}

// Restart stops the daemon and starts it again, on another port.
func (d *Daemon) Restart() {
	d.t.Helper()
	d.Stop()
	d.Start()
}

// Exit waits until the process has ended by itself and returns its exit code, -1 for the end by a signal.
func (d *Daemon) Exit() int {
	d.t.Helper()
	select {
	case <-d.process.ended:
	case <-time.After(Patience):
		d.t.Fatalf("the daemon did not end by itself\n%s", tail(d.process.output.String(), 40))
	}
	d.collect()
	return d.process.cmd.ProcessState.ExitCode()
}

// collect keeps the output of a process that has ended.
func (d *Daemon) collect() {
	d.past.WriteString(d.process.output.String())
	d.process.output = output{}
}

// Logs is everything that all processes of this daemon printed, on both streams.
func (d *Daemon) Logs() string {
	if d.process == nil {
		return d.past.String()
	}
	return d.past.String() + d.process.output.String()
}

// end makes sure that nothing is left running, and shows the log of a failed test.
func (d *Daemon) end() {
	if d.Running() {
		_ = d.process.cmd.Process.Kill() // it may have ended
		<-d.process.ended
	}
	if d.t.Failed() {
		d.t.Logf("the end of the daemon's log:\n%s", tail(d.Logs(), 60))
	}
}

// Remove removes a file below the daemon's folder.
func (d *Daemon) Remove(name string) {
	d.t.Helper()
	if err := os.Remove(d.Path(name)); err != nil {
		d.t.Fatal(err)
	}
}
