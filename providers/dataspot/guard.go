package dataspot

import (
	"net/http"
	"regexp"
	"strings"

	"github.com/rotatord/rotatord/rotator"
)

// guard knows the only requests that may leave: reads, the creation of a user, and writes to one user by its id. Beside a user stands
// a list whose deletion deletes every user of the tenant; between the two is nothing but an id that came out empty. So the guard
// lists what is allowed, and looks at the request itself when it is about to leave, whatever made it.
type guard struct {
	users string // the path of the list, from the root of the host
}

// uuid is what ids of users look like (type uuid in the specification).
var uuid = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)

// check returns a fault of kind Invalid for a request that must not leave.
func (g guard) check(method, path string) error {
	switch method {
	case http.MethodGet:
		return nil
	case http.MethodPost:
		if path == g.users {
			return nil
		}
	case http.MethodPatch, http.MethodPut:
		if id, ok := strings.CutPrefix(path, g.users+"/"); ok && uuid.MatchString(id) {
			return nil
		}
	}
	return rotator.NewFault(method+" "+path, rotator.Invalid, "this request is never made: it could reach more than one user")
}

func checkID(op, id string) error {
	if uuid.MatchString(id) {
		return nil
	}
	return rotator.NewFault(op, rotator.Invalid, "%q is not the id of a user: dataspot's are UUIDs", id)
}
