//go:build !unix

package load

import "os/exec"

func inGroup(*exec.Cmd) {}

// endGroup ends the command. It may have ended.
func endGroup(cmd *exec.Cmd, _ bool) { _ = cmd.Process.Kill() }
