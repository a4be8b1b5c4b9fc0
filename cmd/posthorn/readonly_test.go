package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// wantCannotMake runs serve, which must be refused with exit code 73 and a message that begins and ends like this.
func wantCannotMake(t *testing.T, p *running, begins, ends string) {
	t.Helper()
	code, out := p.run(t)
	said := strings.TrimSpace(p.said())
	if code != exitCannotMake || out != "" || !strings.HasPrefix(said, "posthorn: "+begins) || !strings.HasSuffix(said, ends) {
		t.Errorf("it ended with %d and said %q %q; want %d and %q ... %q", code, out, said, exitCannotMake, begins, ends)
	}
}

const anotherDirectory = "; name a directory that this user may write to"

// TestReadOnlyFileSystem: a directory that is mounted read-only is refused at the start, be it full or new.
func TestReadOnlyFileSystem(t *testing.T) {
	t.Parallel()
	dir, inside := onSmallDisk(t, 400)
	if !inside {
		return
	}
	data := filepath.Join(dir, "data")
	listening(t, "posthorn", "serve", "--data", data, "--listen", "127.0.0.1:0").stop(t)
	if err := unix.Mount(data, data, "", unix.MS_BIND, ""); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("", data, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	serve := func(data string) *running {
		return prepared(t.Context(), "posthorn", "serve", "--data", data, "--listen", "127.0.0.1:0")
	}
	wantCannotMake(t, serve(data), "data directory "+data+" cannot be written to: ", "read-only file system"+anotherDirectory)
	below := filepath.Join(data, "new")
	wantCannotMake(t, serve(below), `data directory "`+below+`" cannot be made: `, "read-only file system"+anotherDirectory)
	if err := unix.Unmount(data, 0); err != nil {
		t.Fatal(err)
	}
	wantSound(t, data)
}

// TestReadOnlyDirectory: neither is a directory used that belongs to this user and has mode 0555.
func TestReadOnlyDirectory(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), "data")
	if err := os.Mkdir(data, 0o555); err != nil {
		t.Fatal(err)
	}
	p := prepared(t.Context(), "posthorn", "serve", "--data", data, "--listen", "127.0.0.1:0")
	if os.Getuid() == 0 { // root may write everywhere: become somebody else, who owns the directory all the same
		p.SysProcAttr = &syscall.SysProcAttr{
			Cloneflags:  syscall.CLONE_NEWUSER,
			UidMappings: []syscall.SysProcIDMap{{ContainerID: 1000, HostID: 0, Size: 1}},
			GidMappings: []syscall.SysProcIDMap{{ContainerID: 1000, HostID: 0, Size: 1}},
		}
	}
	wantCannotMake(t, p, "data directory "+data+" cannot be written to: ", "permission denied"+anotherDirectory)
	if files, err := os.ReadDir(data); err != nil || len(files) > 0 {
		t.Errorf("the directory holds %v, %v", files, err)
	}
}
