package alerting

import (
	"maps"
	"slices"
	"testing"
)

// byValue are the alerts that no daemon is brought to export here: they are proved on what a healthy one exports, with one value changed.
// What makes the daemon export that value is tested where it says.
var byValue = map[string]string{
	"RotatordAwaitingRemoval":     "a person removes keys at dataspot only: rotator/engine, test/e2e",
	"RotatordSealUnreadable":      "a row of the journal that is damaged while a delivery waits, and the next try of it, minutes later: rotator/engine, test/seal",
	"RotatordOrphanKeys":          "a rotation revokes a key whose secret it lost by itself, before it ends, and is minting until it can; any other orphan goes within a scan: rotator/engine",
	"RotatordNotificationDropped": "a notice to an address that left the configuration, at its next try, minutes later: notify",
	"RotatordDown":                "up is Prometheus's own: the daemon that is down exports nothing",
	"RotatordRestarting":          "four restarts within an hour of a process that is started once here",
	"RotatordLeaseLost":           "a replica without its database: test/replicas",
	"RotatordLateWritesRefused":   "ten writes of a frozen replica: rotator/engine, test/replicas",
}

// TestAlertsAreForcedByFaults lists which alerts fire on what a daemon exported in a real fault, with nothing changed but the time that goes
// on, and which do so with a changed value only.
func TestAlertsAreForcedByFaults(t *testing.T) {
	forced, all := map[string]bool{}, map[string]bool{}
	for _, c := range cases {
		all[c.alert] = true
		forced[c.alert] = forced[c.alert] || len(c.bands) > 0 && c.state.forced()
	}
	n := 0
	for _, alert := range slices.Sorted(maps.Keys(all)) {
		why, excused := byValue[alert]
		switch {
		case forced[alert] && excused:
			t.Errorf("%s is forced by a fault and said to be proved by a changed value only", alert)
		case forced[alert]:
			n++
			t.Logf("%s: forced by a fault", alert)
		case !excused:
			t.Errorf("%s is proved by a changed value only, and nothing says why", alert)
		default:
			t.Logf("%s: by a changed value; %s", alert, why)
		}
	}
	for alert := range byValue {
		if !all[alert] {
			t.Errorf("%s is no alert", alert)
		}
	}
	t.Logf("%d of %d alerts are forced by a fault", n, len(all))
}
