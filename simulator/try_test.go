package simulator_test

import (
	"fmt"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/rotatord/rotatord/simulator"
	"github.com/rotatord/rotatord/simulator/world"
)

func TestTry(t *testing.T) {
	from, _ := strconv.Atoi(os.Getenv("FROM"))
	to, _ := strconv.Atoi(os.Getenv("TO"))
	ch := make(chan int)
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for seed := range ch {
				start := time.Now()
				o, err := world.Run(simulator.Draw(uint64(seed)))
				if err != nil {
					fmt.Println(seed, err)
					continue
				}
				if d := time.Since(start); o.Breach != nil || d > 8*time.Second {
					fmt.Println(seed, d.Round(time.Second), o.Breach)
				}
			}
		})
	}
	for s := from; s < to; s++ {
		ch <- s
	}
	close(ch)
	wg.Wait()
}
