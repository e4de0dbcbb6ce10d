package outbound

import (
	"crypto/tls"
	"io"
	"log"
	"testing"
)

// oldTLS is what a server speaks that nobody has touched for years.
func oldTLS() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}
}

// quiet keeps a server's complaints about handshakes, which are wanted here, out of the output.
func quiet(t *testing.T) *log.Logger {
	t.Helper()
	return log.New(io.Discard, "", 0)
}
