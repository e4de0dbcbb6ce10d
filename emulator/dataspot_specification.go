package emulator

import (
	_ "embed" // the description below
	"net/http"
)

// dataspotSpecification describes what the emulator serves, and nothing else.
//
//go:embed dataspot_openapi.json
var dataspotSpecification []byte

func serveSpecification(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(dataspotSpecification)
}
