package realserver

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/rotatord/rotatord/test/child"
)

// startLimit is how long a server may take until it answers; a busy machine takes its time.
const startLimit = 60 * time.Second

// pollEvery is the pause between two looks at a server that is starting.
const pollEvery = 20 * time.Millisecond

// process is a running server and what it printed.
type process struct {
	cmd    *exec.Cmd
	output *child.Output
	ended  chan struct{}
}

// launch starts a server. Its environment holds nothing of the test's but PATH, so that no address, token or proxy of the
// machine reaches it.
func launch(dir string, env []string, name string, args ...string) (*process, error) {
	p := &process{cmd: exec.CommandContext(context.Background(), name, args...), output: new(child.Output), ended: make(chan struct{})} //nolint:gosec // a test's server
	p.cmd.Stdout, p.cmd.Stderr = p.output, p.output
	p.cmd.Dir = dir
	p.cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir}, env...)
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = p.cmd.Wait() // how it ended is in its output
		close(p.ended)
	}()
	return p, nil
}

// await polls until ready says nil, the process ends or the limit is reached.
func (p *process) await(ready func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		err := ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-p.ended:
			return fmt.Errorf("it ended by itself; its output:\n%s", p.output)
		case <-ctx.Done():
			return fmt.Errorf("it did not answer within %s: %w; its output:\n%s", startLimit, err, p.output)
		case <-tick.C:
		}
	}
}

// stop asks the process to end, and returns when it has ended.
func (p *process) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	select {
	case <-p.ended:
	case <-time.After(10 * time.Second):
		p.kill()
	}
}

// kill ends the process at once, as a crash would.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // it may have ended
	<-p.ended
}

// The ports that pairs are drawn from are below those that a system gives to whoever does not care: from 32768 on Linux, from
// 49152 by IANA. So nobody is given one of a pair between the look and its use.
const (
	lowestPort  = 20000
	highestPort = 32000
)

// freePair returns a port P such that P and P+1 were both free a moment ago.
func freePair(t testing.TB) int {
	t.Helper()
	var last error
	for range 100 {
		port := lowestPort + rand.IntN(highestPort-lowestPort) //nolint:gosec // anybody may know it
		if last = errors.Join(free(t, port), free(t, port+1)); last == nil {
			return port
		}
	}
	t.Fatalf("found no two free ports beside each other in 100 tries; the last: %v", last)
	return 0
}

// free returns why a port is not.
func free(t testing.TB, port int) error {
	t.Helper()
	var listen net.ListenConfig
	l, err := listen.Listen(t.Context(), "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return err
	}
	return l.Close()
}
