package broker

import "syscall"

// bound makes the kernel kill the server when the thread that started it ends. Threads of Go end only with their process, or when a
// goroutine ends that has locked one, which none here does.
func bound() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
