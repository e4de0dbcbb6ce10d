package simulator_test

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rotatord/rotatord/simulator"
	"github.com/rotatord/rotatord/simulator/world"
)

func TestCount(t *testing.T) {
	from, _ := strconv.Atoi(os.Getenv("FROM"))
	to, _ := strconv.Atoi(os.Getenv("TO"))
	for seed := from; seed < to; seed++ {
		s := simulator.Draw(uint64(seed))
		start := time.Now()
		o, err := world.Run(s)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Println(seed, time.Since(start).Round(time.Millisecond), len(s.Credentials), s.Accounts[0].System, "due", world.DueCount.Swap(0), "struck", len(o.Struck), o.Breach)
		if os.Getenv("STORY") != "" && o.Breach != nil {
			for _, l := range o.Story {
				if strings.Contains(l.String(), o.Breach.Credential) || l.Who == "world" || l.Who == "daemon"|| l.Who == "person" {
					fmt.Println(l)
				}
			}
		}
	}
}
