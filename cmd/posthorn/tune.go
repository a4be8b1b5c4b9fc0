package main

import (
	"os"
	"runtime/debug"
)

// The garbage collector's settings of a process that only serves. The live heap is a few tens of MiB, and at Go's usual 100 % it is
// collected many times a second under load; 300 % spends memory to save that time. The soft limit makes collections more frequent
// before the process is near 400 MiB, whatever waits.
const (
	gcPercent   = 300
	memoryLimit = 320 << 20
)

// tuneRuntime sets them, where GOGC and GOMEMLIMIT do not: the operator's own go before ours.
func tuneRuntime() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryLimit)
	}
}
