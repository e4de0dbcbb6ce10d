package realfaults

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rotatord/rotatord/test/daemon"
	"github.com/rotatord/rotatord/test/realserver"
)

// TestStoppedInADelivery stops the process while a real Vault server takes the key, for longer than every timeout, grace and idle
// time together; with the key not there yet, and with it there and the answer on its way.
func TestStoppedInADelivery(t *testing.T) {
	t.Parallel()
	v := realserver.Vault(t)
	for _, taken := range []bool{false, true} {
		t.Run(fmt.Sprintf("taken %v", taken), func(t *testing.T) {
			t.Parallel()
			stopped, goOn := make(chan struct{}), make(chan struct{})
			front := frontOf(t, v.Address, taken, stopped, goOn)
			s := setting{sink: "vault, disk", timing: "max_age: 1h, renew_before: 50m, grace: 1s, idle: 1s"}
			s.config.Files = map[string]string{"vault.token": v.RootToken}
			folder := fmt.Sprint("taken-", taken)
			s.sinks = fmt.Sprintf("  - {name: vault, type: vault, address: %q, auth: {token_file: $DIR/vault.token}, path: \"%s/{{.ServiceUser}}\", timeout: 1s}\n", front, folder)
			x := prepare(t, s)
			for _, s := range x.services {
				x.consumers = append(x.consumers, x.e.Consume(t, s.Name+" by vault", s.Secret, fromVault(v.Client(), folder+"/"+s.Name), x.pace))
			}
			x.begin()
			x.await("the delivery", func() error {
				select {
				case <-stopped:
					return nil
				default:
					return fmt.Errorf("it was not made")
				}
			})
			x.d.Signal(syscall.SIGSTOP)
			close(goOn)
			over := time.Now().Add(6 * time.Second)
			x.await("a long stop", func() error { return want(time.Now().After(over), "it is not over") })
			if k, _ := x.e.Key(x.services[0].KeyID); k.Status != daemon.KeyActive {
				t.Errorf("a process that stands still has made the old key %s", k.Status)
			}
			x.d.Signal(syscall.SIGCONT)
			x.goodEnd(1)
		})
	}
}

// frontOf stands before Vault and holds up the first key that is written, before it is taken or after.
func frontOf(t *testing.T, target string, taken bool, stopped chan<- struct{}, goOn <-chan struct{}) string {
	t.Helper()
	to, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	var first sync.Once
	forward := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to) }}
	hold := func(r *http.Request) {
		if r.Method != http.MethodGet && strings.HasPrefix(r.URL.Path, "/v1/secret/data/") {
			first.Do(func() {
				close(stopped)
				<-goOn
			})
		}
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !taken {
			hold(r)
		}
		forward.ServeHTTP(w, r)
		if taken {
			hold(r)
		}
	}))
	t.Cleanup(server.Close)
	return server.URL
}
