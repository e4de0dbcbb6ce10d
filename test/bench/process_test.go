package bench

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	roleVariable = "ROTATORD_BENCH_ROLE"
	argsVariable = "ROTATORD_BENCH_ARGS"
)

// answerer does one piece of work when it is asked to, and says what came of it.
type answerer func() (any, error)

// child is this test binary in another role, in a process of its own, so that its memory and its processor time are its
// own too.
type child struct {
	b   *testing.B
	cmd *exec.Cmd
	in  io.WriteCloser
	out *json.Decoder
}

func start(b *testing.B, role string, args ...string) *child {
	b.Helper()
	text, err := json.Marshal(args)
	if err != nil {
		b.Fatal(err)
	}
	c := &child{b: b, cmd: exec.Command(os.Args[0], "-test.run=^$")}
	c.cmd.Env = append(os.Environ(), roleVariable+"="+role, argsVariable+"="+string(text))
	c.cmd.Stderr = os.Stderr
	if c.in, err = c.cmd.StdinPipe(); err != nil {
		b.Fatal(err)
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	c.out = json.NewDecoder(out)
	if err := c.cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(c.stop)
	return c
}

// ask has the child do its work once.
func (c *child) ask(answer any) {
	c.b.Helper()
	if _, err := io.WriteString(c.in, "\n"); err != nil {
		c.b.Fatalf("the child is gone: %v", err)
	}
	if err := c.out.Decode(answer); err != nil {
		c.b.Fatalf("the child did not answer: %v", err)
	}
}

// stop ends the child and waits for its end; it may be called again.
func (c *child) stop() {
	_ = c.in.Close()
	if err := c.cmd.Wait(); err != nil && c.cmd.ProcessState == nil {
		c.b.Errorf("the child ended badly: %v", err)
	}
}

// play is a child's life: one answer a line, until standard input ends.
func play(role func(args []string) (answerer, error)) error {
	var args []string
	if err := json.Unmarshal([]byte(os.Getenv(argsVariable)), &args); err != nil {
		return err
	}
	work, err := role(args)
	if err != nil {
		return err
	}
	in, out := bufio.NewScanner(os.Stdin), json.NewEncoder(os.Stdout)
	for in.Scan() {
		answer, err := work()
		if err == nil {
			err = out.Encode(answer)
		}
		if err != nil {
			return err
		}
	}
	return in.Err()
}

// processorTime is what this process has used so far, in user and system mode.
func processorTime() (time.Duration, error) {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0, err
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), nil
}

// The memory of a process as /proc/PID/status names it, resident now and at most so far.
const (
	resident     = "VmRSS"
	peakResident = "VmHWM"
)

// mebibytes reads the memory of a process; pid may be "self".
func mebibytes(pid, which string) (float64, error) {
	text, err := os.ReadFile("/proc/" + pid + "/status")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(line, ":")
		if fields := strings.Fields(value); name == which && len(fields) == 2 && fields[1] == "kB" {
			kib, err := strconv.Atoi(fields[0])
			return float64(kib) / 1024, err
		}
	}
	return 0, fmt.Errorf("/proc/%s/status has no %s: %w", pid, which, errors.ErrUnsupported)
}
