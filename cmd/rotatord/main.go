// Command rotatord rotates credentials: it scans for keys that are nearing their deadline, makes overlapping
// replacements, delivers them, proves that they arrived and work, and revokes the old ones on evidence.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	_ "time/tzdata" // time zones, where the image has none
)

// Set at build time with -ldflags -X.
var (
	version  = "dev"
	revision = ""
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := execute(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}
