package broker

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"
)

// bound makes the kernel kill the server when the thread that started it ends. Threads of Go end only with their process, or when a
// goroutine ends that has locked one, which none here does.
func bound() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }

// awaitStop returns when a child has been stopped, all its threads, or has ended. It leaves its end to be waited for.
func awaitStop(pid int) {
	var err error
	for again := true; again; again = errors.Is(err, unix.EINTR) {
		err = unix.Waitid(unix.P_PID, pid, nil, unix.WSTOPPED|unix.WEXITED|unix.WNOWAIT, nil)
	}
}
