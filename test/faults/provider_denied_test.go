package faults

import (
	"testing"

	"github.com/rotatord/rotatord/emulator"
)

// TestManagerKeyRefused: the daemon's own key is revoked by somebody. Replacing the file that holds it is all that a person
// has to do.
func TestManagerKeyRefused(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name  string
		begun bool // the rotations have delivered when it happens
	}{{"before anything began", false}, {"in the grace period", true}} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			c := prepare(t, setting{})
			manager := c.account.Keys(0)[0]
			revoke := func() {
				if err := c.account.SetKeyStatus(manager.ID, "revoked"); err != nil {
					t.Fatal(err)
				}
			}
			if !tc.begun {
				revoke()
			}
			c.begin()
			if tc.begun {
				for _, s := range c.services {
					c.delivered(s)
				}
				revoke()
			}
			c.attention("scan_failed")
			c.metric(is(0), "rotatord_provider_up", `provider="cc"`)
			c.metric(atLeast(1), "rotatord_provider_requests_total", `provider="cc"`, `code="403"`)
			c.logs("the key is dead")
			if tc.begun {
				c.attention("denied")
				c.metric(is(2), "rotatord_rotations_blocked", `provider="cc"`, `reason="denied"`)
			}
			for _, s := range c.services {
				c.untouched(s)
			}
			c.ready()

			_, secret, err := c.account.AddKey(emulator.CertCentralKey{UserID: manager.UserID, Name: "manager"})
			if err != nil {
				t.Fatal(err)
			}
			c.d.WriteFile("cc.key", secret)
			c.goodEnd(1)
		})
	}
}

// TestManagerKeyFileGone: the file is missing for a while, as while somebody replaces it badly.
func TestManagerKeyFileGone(t *testing.T) {
	t.Parallel()
	c := prepare(t, setting{})
	c.d.WriteFile("cc.key", "")
	c.begin()
	c.attention("scan_failed")
	c.logs("cc.key")
	c.d.WriteFile("cc.key", c.e.ManagerSecret()+"\n")
	c.goodEnd(1)
}
