package daemon

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"

	"github.com/rotatord/rotatord/web"
)

// URL is where the running daemon's web server listens, such as http://127.0.0.1:40000.
func (d *Daemon) URL() string { return "http://" + d.process.output.address() }

// Get asks the running daemon for a path and returns the status and the body.
func (d *Daemon) Get(path string) (int, string) {
	d.t.Helper()
	return d.Send(http.MethodGet, path, nil)
}

// Send makes a request with a JSON body, if v is not nil, and returns the status and the body.
func (d *Daemon) Send(method, path string, v any) (int, string) {
	d.t.Helper()
	var body bytes.Buffer
	if v != nil {
		if err := json.NewEncoder(&body).Encode(v); err != nil {
			d.t.Fatal(err)
		}
	}
	req, err := http.NewRequestWithContext(d.t.Context(), method, d.URL()+path, &body)
	if err != nil {
		d.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		d.t.Fatalf("%s %s: %v", method, path, err)
	}
	return d.body(answer)
}

func (d *Daemon) body(answer *http.Response) (int, string) {
	d.t.Helper()
	defer answer.Body.Close() //nolint:errcheck // it has been read
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		d.t.Fatalf("read the answer of %s: %v", answer.Request.URL, err)
	}
	return answer.StatusCode, string(text)
}

// getJSON decodes what a path answers.
func (d *Daemon) getJSON(path string, into any) {
	d.t.Helper()
	status, body := d.Get(path)
	if status != http.StatusOK {
		d.t.Fatalf("GET %s answers %d: %s", path, status, body)
	}
	if err := json.Unmarshal([]byte(body), into); err != nil {
		d.t.Fatalf("GET %s: %v in %s", path, err, body)
	}
}

// Status is what the API says of the daemon.
func (d *Daemon) Status() (s web.Status) {
	d.t.Helper()
	d.getJSON("/api/v1/status", &s)
	return s
}

// Rotations are the rotations that are open, and those that have ended, the latest first.
func (d *Daemon) Rotations() (open, ended []web.Rotation) {
	d.t.Helper()
	var o, e web.Rotations
	d.getJSON("/api/v1/rotations?state=open&limit=10000", &o)
	d.getJSON("/api/v1/rotations?state=ended&limit=10000", &e)
	return o.Rotations, e.Rotations
}

// History is one rotation with everything that happened to it.
func (d *Daemon) History(id string) (h web.RotationHistory) {
	d.t.Helper()
	d.getJSON("/api/v1/rotations/"+id, &h)
	return h
}

// Metric sums up the series of that name at /metrics whose labels include all of those given, each as name="value", and
// reports whether there is one.
func (d *Daemon) Metric(name string, labels ...string) (sum float64, found bool) {
	d.t.Helper()
	_, text := d.Get("/metrics")
	for line := range strings.Lines(text) {
		series, number, _ := strings.Cut(strings.TrimSpace(line), " ")
		called, set, _ := strings.Cut(series, "{")
		if called != name || !hasAll(set, labels) {
			continue
		}
		value, err := strconv.ParseFloat(number, 64)
		if err != nil {
			d.t.Fatalf("/metrics has the line %q: %v", line, err)
		}
		sum, found = sum+value, true
	}
	return sum, found
}

func hasAll(set string, labels []string) bool {
	for _, l := range labels {
		if !strings.Contains(","+set, ","+l) {
			return false
		}
	}
	return true
}

// Cmd is the binary with other arguments, against this daemon if it runs, in the daemon's folder and environment.
func (d *Daemon) Cmd(args ...string) *exec.Cmd {
	d.t.Helper()
	if d.binary == "" {
		d.binary = Binary(d.t)
	}
	cmd := exec.CommandContext(d.t.Context(), d.binary, args...) //nolint:gosec // our own binary
	cmd.Dir, cmd.Env = d.Dir, append([]string{"PATH=" + os.Getenv("PATH")}, d.env...)
	if d.Running() {
		cmd.Env = append(cmd.Env, "ROTATORD_SERVER="+d.URL())
	}
	return cmd
}

// Command runs the binary with other arguments, as [Daemon.Cmd] does, and returns what it printed and its exit code.
func (d *Daemon) Command(args ...string) (stdout, stderr string, code int) {
	d.t.Helper()
	return d.Feed("", args...)
}

// Feed is Command with something on standard input.
func (d *Daemon) Feed(stdin string, args ...string) (stdout, stderr string, code int) {
	d.t.Helper()
	cmd := d.Cmd(args...)
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &out, &errs
	err := cmd.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
		d.t.Fatalf("run rotatord %s: %v", strings.Join(args, " "), err)
	} else if ok {
		code = exit.ExitCode()
	}
	return out.String(), errs.String(), code
}
