package engine

import "runtime"

// maxYields bounds how often gather steps back.
const maxYields = 16

// gather steps back, for goroutines that can run to run, as long as more comes in: what they bring then goes into the same batch or
// envelope. It waits for no time: an idle engine gathers at once, a busy one pays fewer syncs and messages for the same work.
func gather(waiting func() int) {
	for range maxYields {
		before := waiting()
		runtime.Gosched()
		if waiting() == before {
			return
		}
	}
}
