package load_test

import (
	"context"
	"fmt"
	"time"

	"posthorn/harness/load"
)

// Any sender is a Target: this one's trigger does nothing at all, so everything that it accepts is lost.
func Example() {
	sender := load.Target{
		Name:    "a forgetful one",
		Trigger: func(context.Context, load.Message) (id string, err error) { return "", nil },
	}
	result, err := load.Run(context.Background(), load.Options{
		Target: sender, Pace: load.Pace{Rate: 100, Duration: 30 * time.Millisecond}, Drain: time.Millisecond,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(result.Accepted, "accepted,", result.Lost.Count, "lost, OK:", result.OK)
	// Output: 3 accepted, 3 lost, OK: false
}
