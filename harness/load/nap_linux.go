package load

import (
	"syscall"
	"time"
)

// nap waits for d, to some 60 microseconds. The runtime's own timers are up to a millisecond late in a process that is idle (its
// poller counts whole milliseconds), which is as long as what is measured. It blocks the thread, so the caller locks one.
func nap(d time.Duration) {
	left := syscall.NsecToTimespec(int64(d))
	for {
		// A signal ends it early, with what is left.
		if err := syscall.Nanosleep(&left, &left); err != syscall.EINTR {
			return
		}
	}
}
