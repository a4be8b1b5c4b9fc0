package child

import (
	"os"
	"syscall"
)

// bound makes the kernel kill the child when the thread that started it ends. Threads of Go end only with their process, or when a
// goroutine ends that has locked one, which none here does.
func bound() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }

// peak is the most resident memory in bytes; the kernel counts KiB.
func peak(ended *os.ProcessState) int64 {
	r, ok := ended.SysUsage().(*syscall.Rusage)
	if !ok {
		return 0
	}
	return r.Maxrss << 10
}
