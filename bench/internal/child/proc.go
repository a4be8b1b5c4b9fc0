package child

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// Memory is the resident memory of a process, in bytes.
type Memory struct {
	Now, Peak int64 // Peak is the most since its start
	// Anonymous is the part of Now that is the process's own. The rest are pages of files that it has mapped, which the kernel takes back
	// when it needs room: with a store of mapped tables that part is as large as the store and the machine allow.
	Anonymous int64
}

// MemoryOf reads what the kernel counts for a process that runs, from /proc; elsewhere than on Linux it returns an error.
func MemoryOf(pid int) (Memory, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return Memory{}, fmt.Errorf("read memory: %w", err)
	}
	return parseMemory(string(text))
}

func parseMemory(status string) (m Memory, err error) {
	for name, into := range map[string]*int64{"VmRSS:": &m.Now, "VmHWM:": &m.Peak, "RssAnon:": &m.Anonymous} {
		_, rest, _ := strings.Cut(status, "\n"+name)
		number, _, ok := strings.Cut(strings.TrimSpace(rest), " kB")
		if *into, err = strconv.ParseInt(number, 10, 64); err != nil || !ok {
			return Memory{}, fmt.Errorf("read memory: no %s in kB in %.200q", name, status)
		}
		*into <<= 10
	}
	return m, nil
}

// CPUOf reads the processor time that a process has used so far, user and system, from /proc; elsewhere than on Linux it returns an
// error. It is exact to 10 ms.
func CPUOf(pid int) (time.Duration, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, fmt.Errorf("read processor time: %w", err)
	}
	return parseCPU(string(text))
}

// tick is what /proc/PID/stat counts in: USER_HZ is 100 on all that Go runs on.
const tick = 10 * time.Millisecond

func parseCPU(stat string) (time.Duration, error) {
	// The program's name stands in parentheses and may hold anything, so the fields are counted from behind it: state is the first,
	// utime the 12th, stime the 13th (proc_pid_stat(5)).
	fields := strings.Fields(stat[strings.LastIndex(stat, ")")+1:])
	if len(fields) < 13 {
		return 0, fmt.Errorf("read processor time: %d fields in %.200q", len(fields), stat)
	}
	user, err := strconv.ParseInt(fields[11], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("read processor time: %w", err)
	}
	system, err := strconv.ParseInt(fields[12], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("read processor time: %w", err)
	}
	return time.Duration(user+system) * tick, nil
}
