//go:build !linux

package load

import "time"

// Nap waits for d.
func Nap(d time.Duration) { time.Sleep(d) }
