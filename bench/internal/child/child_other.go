//go:build !linux

package child

import (
	"os"
	"syscall"
)

func bound() *syscall.SysProcAttr { return nil }

func peak(*os.ProcessState) int64 { return 0 }
