package child

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Files are what a process has open: tables of its store, which grow with what is stored, and all else.
type Files struct{ Tables, Others int }

// FilesOf counts them, from /proc; elsewhere than on Linux it returns an error.
func FilesOf(pid int) (f Files, err error) {
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	all, err := os.ReadDir(dir)
	if err != nil {
		return f, fmt.Errorf("count open files: %w", err)
	}
	for _, fd := range all {
		target, err := os.Readlink(filepath.Join(dir, fd.Name()))
		switch {
		case errors.Is(err, fs.ErrNotExist): // closed meanwhile
		case err != nil:
			return f, fmt.Errorf("count open files: %w", err)
		case strings.HasSuffix(target, ".sst"):
			f.Tables++
		default:
			f.Others++
		}
	}
	return f, nil
}
