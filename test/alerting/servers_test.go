package alerting

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/rotatord/rotatord/test/child"
	"github.com/rotatord/rotatord/test/daemon"
)

// run starts a server of Debian's until the test ends, and waits until it is ready.
func run(t *testing.T, name, readyAt string, args ...string) {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("there is no %s: %v; install it with: test/servers/install-apt", name, err)
	}
	ctx, stop := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, path, args...)
	output := new(child.Output)
	cmd.Stdout, cmd.Stderr, cmd.Dir = output, output, t.TempDir()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stop()
		_ = cmd.Wait() // it was told to end
		if t.Failed() {
			t.Logf("%s printed:\n%s", name, output)
		}
	})
	daemon.Await(t, daemon.Patience, name+" to be ready", func() error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, readyAt, nil)
		if err != nil {
			return err
		}
		answer, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		_ = answer.Body.Close() // only the status counts
		if answer.StatusCode != http.StatusOK {
			return fmt.Errorf("it answers %s", answer.Status)
		}
		return nil
	})
}

// address is a free one on the loopback.
func address(t *testing.T) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func written(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// told is one alert as a webhook is told of it.
type told struct {
	Status              string
	Labels, Annotations map[string]string
	// to is the path of the webhook.
	to string
}

// inbox is a webhook that keeps what it is told.
type inbox struct {
	url string
	mu  sync.Mutex
	got []told
}

func receive(t *testing.T) *inbox {
	t.Helper()
	b := &inbox{}
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var message struct{ Alerts []told }
		if json.NewDecoder(r.Body).Decode(&message) != nil {
			return
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, a := range message.Alerts {
			a.to = r.URL.Path
			b.got = append(b.got, a)
		}
	}))
	t.Cleanup(server.Close)
	b.url = server.URL
	return b
}

// find returns the first alert of that name and status.
func (b *inbox) find(alert, status string) (told, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, a := range b.got {
		if a.Labels["alertname"] == alert && a.Status == status {
			return a, nil
		}
	}
	return told{}, fmt.Errorf("%s is not %s among %d messages: %v", alert, status, len(b.got), b.got)
}
