package digicertone_test

import (
	"strings"
	"testing"

	"github.com/rotatord/rotatord/emulator"
	"github.com/rotatord/rotatord/providers/digicertone"
)

// An address that is nearly right is answered with 404, which says nothing of what to write instead.
func TestPreflightNamesTheAddressWhereNothingIs(t *testing.T) {
	i := newInstance(t, emulator.DigiCertOneOptions{})
	problems, err := i.provider(t, digicertone.Options{APIPath: "/account/api/v9"}).Preflight(t.Context())
	if err != nil || len(problems) != 1 || !strings.Contains(problems[0], "base_url and api_path") || !strings.Contains(problems[0], "/account/api/v9") {
		t.Errorf("%q, %v", problems, err)
	}
}
