// Package hooks tests hooks against a real message bus, with a systemd on it that does as it is told.
package hooks

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"

	"github.com/rotatord/rotatord/hooks"
	"github.com/rotatord/rotatord/hooks/systemd"
	"github.com/rotatord/rotatord/rotator"
)

// busConfig is a bus for one user where everybody may do everything: what may be asked of systemd is systemd's business.
const busConfig = `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN" "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <listen>unix:path=%s</listen>
  <auth>EXTERNAL</auth>
  <policy context="default"><allow send_destination="*"/><allow receive_sender="*"/><allow own="*"/><allow user="*"/></policy>
</busconfig>
`

// startBus starts a real message bus, and has the system's bus be it.
func startBus(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	socket, config := filepath.Join(dir, "bus"), filepath.Join(dir, "bus.conf")
	if err := os.WriteFile(config, fmt.Appendf(nil, busConfig, socket), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("dbus-daemon", "--nofork", "--print-address", "--config-file="+config)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("%v; test/servers/install-apt installs it", err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil { // its address: from then on it listens
		t.Fatal(err)
	}
	t.Setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path="+socket)
}

// manager is systemd's, as far as hooks need it: https://www.freedesktop.org/software/systemd/man/latest/org.freedesktop.systemd1.html
type manager struct {
	conn *dbus.Conn

	mu    sync.Mutex
	asked []string
	// result is how jobs end, state what units are in then, by name; active where there is none.
	result string
	state  map[string]string
	jobs   uint32
}

func startSystemd(t *testing.T) *manager {
	t.Helper()
	startBus(t)
	conn, err := dbus.ConnectSystemBus()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	m := &manager{conn: conn, result: "done", state: map[string]string{}}
	if err := conn.Export(m, "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager"); err != nil {
		t.Fatal(err)
	}
	if err := conn.ExportSubtree(properties{m}, "/org/freedesktop/systemd1/unit", "org.freedesktop.DBus.Properties"); err != nil {
		t.Fatal(err)
	}
	if reply, err := conn.RequestName("org.freedesktop.systemd1", dbus.NameFlagDoNotQueue); err != nil || reply != dbus.RequestNameReplyPrimaryOwner {
		t.Fatalf("%v, %v", reply, err)
	}
	return m
}

// The methods that hooks call.
func (m *manager) ReloadOrRestartUnit(name, mode string) (dbus.ObjectPath, *dbus.Error) {
	return m.job("reload-or-restart", name, mode)
}

func (m *manager) ReloadOrTryRestartUnit(name, mode string) (dbus.ObjectPath, *dbus.Error) {
	return m.job("reload-or-try-restart", name, mode)
}

func (m *manager) ReloadUnit(name, mode string) (dbus.ObjectPath, *dbus.Error) {
	return m.job("reload", name, mode)
}

func (m *manager) RestartUnit(name, mode string) (dbus.ObjectPath, *dbus.Error) {
	return m.job("restart", name, mode)
}

func (m *manager) job(verb, name, mode string) (dbus.ObjectPath, *dbus.Error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.asked = append(m.asked, verb+" "+name+" "+mode)
	switch name {
	case "secret.service":
		return "", dbus.NewError("org.freedesktop.DBus.Error.InteractiveAuthorizationRequired", []any{"Interactive authentication required."})
	case "none.service":
		return "", dbus.NewError("org.freedesktop.systemd1.NoSuchUnit", []any{"Unit none.service not found."})
	}
	m.jobs++
	id, result := m.jobs, m.result
	path := dbus.ObjectPath(fmt.Sprint("/org/freedesktop/systemd1/job/", id))
	if result != "" {
		go func() {
			_ = m.conn.Emit("/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager.JobRemoved", id, path, name, result)
		}()
	}
	return path, nil
}

// properties answers for every unit.
type properties struct{ m *manager }

func (p properties) Get(msg dbus.Message, _, _ string) (dbus.Variant, *dbus.Error) {
	path, _ := msg.Headers[dbus.FieldPath].Value().(dbus.ObjectPath)
	p.m.mu.Lock()
	defer p.m.mu.Unlock()
	for name, state := range p.m.state {
		if strings.HasSuffix(string(path), "/"+strings.NewReplacer(".", "_2e", "@", "_40", "-", "_2d").Replace(name)) {
			return dbus.MakeVariant(state), nil
		}
	}
	return dbus.MakeVariant("active"), nil
}

func call(users ...string) hooks.Call {
	k := hooks.Call{ID: "r1/2/app", Hook: "app"}
	for _, u := range users {
		k.Runs = append(k.Runs, rotator.HookRun{ID: "r1/2/app", Hook: "app", ServiceUser: u, CredentialID: rotator.CredentialID{Provider: "cc", UserID: "7", Base: "ci"}})
	}
	return k
}

func TestSystemdReloadsUnits(t *testing.T) {
	m := startSystemd(t)
	for action, verb := range map[systemd.Action]string{systemd.ReloadOrRestart: "reload-or-restart", systemd.ReloadOrTryRestart: "reload-or-try-restart",
		systemd.Reload: "reload", systemd.Restart: "restart"} {
		m.asked = nil
		c, err := systemd.New(systemd.Options{Units: []string{"app.service", "app@{{.ServiceUser}}.service"}, Action: action})
		if err != nil {
			t.Fatal(err)
		}
		detail, err := c.Do(t.Context(), call("ci-bot/x"))
		want := []string{verb + " app.service replace", verb + ` app@ci\x2dbot-x.service replace`}
		if err != nil || !slices.Equal(m.asked, want) || !strings.Contains(detail, verb+" of app.service") {
			t.Errorf("%s: asked %q, %q, %v", action, m.asked, detail, err)
		}
	}
}

func TestWhatSystemdRefusesIsSaid(t *testing.T) {
	m := startSystemd(t)
	m.state["broken.service"] = "failed"
	m.state["off.service"] = "inactive"
	for _, c := range []struct {
		name, unit, result, want string
		action                   systemd.Action
		kind                     rotator.Kind
	}{
		{"polkit", "secret.service", "done", "polkit rule", systemd.Reload, rotator.Denied},
		{"no such unit", "none.service", "done", "is the unit's name right", systemd.Reload, rotator.Invalid},
		{"the job failed", "app.service", "failed", `ended with "failed"`, systemd.Reload, rotator.Transient},
		{"the unit is broken after it", "broken.service", "done", `the unit is "failed"`, systemd.ReloadOrRestart, rotator.Transient},
		{"the unit does not run", "off.service", "done", `the unit is "inactive"`, systemd.ReloadOrRestart, rotator.Transient},
		{"the unit does not run and need not", "off.service", "done", "", systemd.ReloadOrTryRestart, ""},
		{"the job does not end", "app.service", "", "its time was over", systemd.Reload, rotator.Transient},
	} {
		t.Run(c.name, func(t *testing.T) {
			m.mu.Lock()
			m.result = c.result
			m.mu.Unlock()
			s, err := systemd.New(systemd.Options{Units: []string{c.unit}, Action: c.action})
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			if c.result == "" {
				ctx, cancel = context.WithTimeout(t.Context(), time.Second)
			}
			defer cancel()
			_, err = s.Do(ctx, call("ci"))
			if (err == nil) != (c.want == "") || err != nil && (!strings.Contains(err.Error(), c.want) || rotator.KindOf(err) != c.kind) {
				t.Errorf("kind %s: %v", rotator.KindOf(err), err)
			}
		})
	}
}

// TestOneUnitThatFailsKeepsNoOtherFromBeingAsked.
func TestOneUnitThatFailsKeepsNoOtherFromBeingAsked(t *testing.T) {
	m := startSystemd(t)
	s, err := systemd.New(systemd.Options{Units: []string{"none.service", "app.service"}, Action: systemd.Reload})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Do(t.Context(), call("ci")); err == nil || len(m.asked) != 2 {
		t.Errorf("asked %q: %v", m.asked, err)
	}
}

func TestABusThatIsNotThereIsSaid(t *testing.T) {
	t.Setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path="+filepath.Join(t.TempDir(), "none"))
	s, err := systemd.New(systemd.Options{Units: []string{"app.service"}, Action: systemd.Reload})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Do(t.Context(), call("ci")); rotator.KindOf(err) != rotator.Transient || !strings.Contains(err.Error(), "bus cannot be reached") {
		t.Errorf("%v", err)
	}
}
