//go:build !linux

package broker

import "syscall"

func bound() *syscall.SysProcAttr { return nil }

func awaitStop(int) {}
