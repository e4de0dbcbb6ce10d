package bench

import (
	"fmt"
	"os"
	"testing"
)

// roles are what this test binary can be besides a test binary: see [start].
var roles = map[string]func(args []string) (answerer, error){
	"certcentral": serveCertCentral,
	"scan":        newEngineScanner,
	"bare scan":   newBareScanner,
}

func TestMain(m *testing.M) {
	role, ok := roles[os.Getenv(roleVariable)]
	if !ok {
		code := m.Run()
		removeTracked()
		removeBuilt()
		os.Exit(code)
	}
	if err := play(role); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
