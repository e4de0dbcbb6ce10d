package alerting

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/rotatord/rotatord/emulator"
	"github.com/rotatord/rotatord/test/daemon"
)

// TestADrillOfTheCalendarIsAProof has the real binary drill by its configuration: with the drill's end the time of the last proof moves, and so does
// the time by which the next is due.
func TestADrillOfTheCalendarIsAProof(t *testing.T) {
	cc := daemon.Emulate(t, emulator.CertCentralOptions{Rates: []emulator.Rate{}})
	s := &scene{t: t, cc: cc, d: daemon.New(t, daemon.Config{YAML: fmt.Sprintf(`scan: {schedule: "@every 1s"}
drills: [{name: always, match: {service_users: [canary]}, window: {cron: "0 0 * * *", for: 30h}}]
providers: [{name: cc, %s, %s}]
sinks: [{name: disk, type: file, path: "$DIR/keys/{{.ServiceUser}}", root: $DIR/keys}]
policies: [{name: ci, %s}]
`, cc.Options(cc.Root), account, rotates), Files: map[string]string{"cc.key": cc.ManagerSecret()}})}
	if err := os.MkdirAll(s.d.Path("keys"), 0o700); err != nil {
		t.Fatal(err)
	}
	canary := cc.AddService("canary", "deploy", day)
	other := cc.AddService("shop", "deploy", 2*day)
	began := time.Now()
	s.d.Start()
	s.await(float64(began.Unix()), "rotatord_last_proven_rotation_timestamp_seconds", `provider="cc"`)
	s.await(1, "rotatord_rotations_total", `reason="drill"`, `result="done"`)
	if due, there := s.d.Metric("rotatord_proof_due_timestamp_seconds", `provider="cc"`); !there || due < float64(began.Unix()) {
		t.Errorf("the next proof is due at %f, and that is said: %t", due, there)
	}
	if active := cc.Active(canary.UserID); len(active) != 1 || active[0].ID == canary.KeyID {
		t.Errorf("canary has the keys %+v, want one new one", active)
	}
	if active := cc.Active(other.UserID); len(active) != 1 || active[0].ID != other.KeyID {
		t.Errorf("shop, which no drill selects, has the keys %+v", active)
	}
	if out, errs, code := s.d.Command("history", "--reason", "drill", "-o", "json"); code != 0 || !containsAll(out, `"actor": "schedule"`, `"reason": "drill"`) {
		t.Errorf("history ends with %d: %s%s", code, out, errs)
	}
	s.d.Stop()
}

func containsAll(text string, all ...string) bool {
	for _, part := range all {
		if !strings.Contains(text, part) {
			return false
		}
	}
	return true
}
