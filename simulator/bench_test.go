package simulator_test

import (
	"os"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// cpu is the processor time that the process has used.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func BenchmarkForecast(b *testing.B) {
	n, _ := strconv.Atoi(os.Getenv("N"))
	for b.Loop() {
		fleet := newFleet(b, n)
		fleet.Span = 365 * day
		began := cpu()
		f, err := fleet.Run(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(f.CredentialYears/(cpu()-began).Minutes()*2, "credyears/min2")
	}
}
