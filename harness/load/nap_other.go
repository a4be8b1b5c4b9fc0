//go:build !linux

package load

import "time"

// nap waits for d.
func nap(d time.Duration) { time.Sleep(d) }
