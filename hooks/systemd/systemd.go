// Package systemd tells a consumer by having systemd reload or restart its unit, over D-Bus. What the daemon's user may ask of
// which unit is polkit's to say.
package systemd

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/coreos/go-systemd/v22/dbus"
	"github.com/coreos/go-systemd/v22/unit"
	bus "github.com/godbus/dbus/v5"

	"github.com/rotatord/rotatord/hooks"
	"github.com/rotatord/rotatord/hooks/argument"
	"github.com/rotatord/rotatord/rotator"
)

// Action is what is asked of systemd.
type Action string

// The actions.
const (
	ReloadOrRestart    Action = "reload_or_restart"     // reload; restart what cannot be reloaded, start what does not run
	ReloadOrTryRestart Action = "reload_or_try_restart" // likewise, but leave what does not run alone
	Reload             Action = "reload"                // only reload
	Restart            Action = "restart"               // only restart
)

// Options are what a caller is made of.
type Options struct {
	// Units are the names of units, with their endings. Fields may stand in them and are escaped.
	Units  []string
	Action Action
}

// Caller asks systemd. Make one with [New].
type Caller struct {
	units  []argument.Argument
	action Action
}

var _ hooks.Caller = (*Caller)(nil)

// New makes a caller. It makes no call.
func New(o Options) (*Caller, error) {
	c := &Caller{action: o.Action}
	for _, name := range o.Units {
		a, err := ParseUnit(name)
		if err != nil {
			return nil, fmt.Errorf("unit %q: %w", name, err)
		}
		c.units = append(c.units, a)
	}
	return c, nil
}

// valid is a unit's name: https://www.freedesktop.org/software/systemd/man/latest/systemd.unit.html
var valid = regexp.MustCompile(`^[A-Za-z0-9:_.\\@-]{1,240}\.(service|socket|target|timer|path|mount|scope|slice)$`)

// ParseUnit reads the name of a unit.
func ParseUnit(name string) (argument.Argument, error) {
	a, err := argument.Parse(name)
	if err != nil {
		return a, err
	}
	sample, err := a.Render(&rotator.HookRun{ServiceUser: "x", CredentialID: rotator.CredentialID{UserID: "x"}}, unit.UnitNameEscape)
	if err == nil && !valid.MatchString(sample) {
		err = errors.New("is not the name of a unit; write it with its ending, as in app.service or app@{{.ServiceUser}}.service")
	}
	return a, err
}

// Target implements [hooks.Caller]: the same units are reloaded once.
func (c *Caller) Target(r *rotator.HookRun) (string, error) {
	names, err := c.names(r)
	return strings.Join(names, " "), err
}

func (c *Caller) names(r *rotator.HookRun) ([]string, error) {
	var names []string
	for _, u := range c.units {
		name, err := u.Render(r, unit.UnitNameEscape)
		if err != nil {
			return nil, err
		}
		if !valid.MatchString(name) {
			return nil, rotator.NewFault("run hook "+r.Hook, rotator.Invalid, "%q is not the name of a unit", name)
		}
		names = append(names, name)
	}
	return names, nil
}

// Do implements [hooks.Caller]. All units are asked for, whatever becomes of the others.
func (c *Caller) Do(ctx context.Context, k hooks.Call) (string, error) {
	names, err := c.names(&k.Runs[0])
	if err != nil {
		return "", err
	}
	conn, err := dbus.NewSystemConnectionContext(ctx)
	if err != nil {
		return "", rotator.NewFault("ask systemd", rotator.Transient, "its bus cannot be reached: %w; is the socket /run/dbus/system_bus_socket there, and may the daemon use it?", err)
	}
	defer conn.Close()
	var troubles []error
	for _, name := range names {
		if err := c.ask(ctx, conn, name); err != nil {
			troubles = append(troubles, err)
		}
	}
	if len(troubles) > 0 {
		return "", errors.Join(troubles...)
	}
	return fmt.Sprintf("systemd: %s of %s is done", strings.ReplaceAll(string(c.action), "_", "-"), strings.Join(names, ", ")), nil
}

func (c *Caller) ask(ctx context.Context, conn *dbus.Conn, name string) error {
	ask := map[Action]func(context.Context, string, string, chan<- string) (int, error){
		ReloadOrRestart: conn.ReloadOrRestartUnitContext, ReloadOrTryRestart: conn.ReloadOrTryRestartUnitContext,
		Reload: conn.ReloadUnitContext, Restart: conn.RestartUnitContext,
	}[c.action]
	op := fmt.Sprintf("%s %s", strings.ReplaceAll(string(c.action), "_", "-"), name)
	if ask == nil {
		return rotator.NewFault(op, rotator.Invalid, "systemd has no such action")
	}
	result := make(chan string, 1)
	if _, err := ask(ctx, name, "replace", result); err != nil {
		return rotator.NewFault(op, kindOf(err), "%w%s", err, adviceOn(err))
	}
	select {
	case <-ctx.Done():
		return rotator.NewFault(op, rotator.Transient, "its time was over and the job had not ended")
	case how := <-result:
		if how != "done" {
			return rotator.NewFault(op, rotator.Transient, "the job ended with %q; see: systemctl status %s", how, name)
		}
	}
	return c.stillRuns(ctx, conn, op, name)
}

// stillRuns refuses a unit that the job left behind broken.
func (c *Caller) stillRuns(ctx context.Context, conn *dbus.Conn, op, name string) error {
	p, err := conn.GetUnitPropertyContext(ctx, name, "ActiveState")
	if err != nil {
		return rotator.NewFault(op, rotator.Transient, "the job is done and the unit's state cannot be read: %w", err)
	}
	state, _ := p.Value.Value().(string)
	allowed := []string{"active", "activating", "reloading", "refreshing"}
	if c.action == ReloadOrTryRestart {
		allowed = append(allowed, "inactive", "deactivating")
	}
	if !slices.Contains(allowed, state) {
		return rotator.NewFault(op, rotator.Transient, "the job is done and the unit is %q; see: systemctl status %s", state, name)
	}
	return nil
}

// The errors that systemd and the bus give: https://www.freedesktop.org/software/systemd/man/latest/org.freedesktop.systemd1.html
const (
	accessDenied     = "org.freedesktop.DBus.Error.AccessDenied"
	interactionAsked = "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired"
	noSuchUnit       = "org.freedesktop.systemd1.NoSuchUnit"
)

func nameOf(err error) string {
	if e, ok := errors.AsType[bus.Error](err); ok {
		return e.Name
	}
	return ""
}

func kindOf(err error) rotator.Kind {
	switch nameOf(err) {
	case accessDenied, interactionAsked:
		return rotator.Denied
	case noSuchUnit:
		return rotator.Invalid
	default:
		return rotator.Transient
	}
}

func adviceOn(err error) string {
	switch kindOf(err) { //nolint:exhaustive // the others need no advice
	case rotator.Denied:
		return "; let the daemon's user do that to this unit by a polkit rule, see the page on hooks"
	case rotator.Invalid:
		return "; is the unit's name right?"
	default:
		return ""
	}
}
