//go:build unix

package load

import (
	"os/exec"
	"syscall"
)

// inGroup lets the command lead a process group of its own, in a session of its own: without a terminal a program that wants to ask
// something (ssh, whether a host is known) fails and says so, and is not stopped in silence.
func inGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} }

// endGroup ends the command and what it started, by force or not. It may have ended.
func endGroup(cmd *exec.Cmd, force bool) {
	signal := syscall.SIGTERM
	if force {
		signal = syscall.SIGKILL
	}
	_ = syscall.Kill(-cmd.Process.Pid, signal)
}
