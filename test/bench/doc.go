// Package bench holds the benchmarks behind docs/performance.md. Each measures the product beside a baseline in the same
// run and reports the ratio; none of them fails for being slow.
//
//	go test -run '^$' -bench . -benchtime 1x -timeout 30m ./test/bench
package bench
