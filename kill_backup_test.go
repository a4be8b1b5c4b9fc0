package posthorn_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"posthorn"
	"posthorn/adapters/badgerstore"
	"posthorn/engine"
	"posthorn/engine/backup"
	"posthorn/harness"
	"posthorn/ports"
)

// childWork says what the child does beside or in place of accepting: a backup into the file of childFile, or a restore of it.
const (
	childWork = "POSTHORN_TEST_CHILD_WORK"
	childFile = "POSTHORN_TEST_CHILD_FILE"
)

// backingChild makes backups beside its commands; restoringChild puts one back. Both tell each step on standard output, and go on when they
// are told to on standard input, so that the kill falls into the step that it is meant for.
func backingChild(ph *posthorn.Posthorn) {
	for {
		f, err := os.Create(os.Getenv(childFile))
		if err == nil {
			_, err = ph.Backup(context.Background(), telling{f}, nil)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return
		}
	}
}

type telling struct{ to io.Writer }

func (w telling) Write(b []byte) (int, error) {
	n, err := w.to.Write(b)
	return n, errors.Join(err, tellStep())
}

func tellStep() error {
	_, told := os.Stdout.WriteString("step\n")
	_, answered := os.Stdin.Read(make([]byte, 1))
	return errors.Join(told, answered)
}

func restoringChild(dir string) {
	ctx := context.Background()
	err := func() error {
		file, err := os.ReadFile(os.Getenv(childFile))
		if err != nil {
			return err
		}
		chain, err := backup.Open(backup.File{Name: "the backup", Size: int64(len(file)), From: bytes.NewReader(file)})
		if err != nil {
			return err
		}
		store, err := badgerstore.Open(ctx, badgerstore.Options{Dir: dir})
		if err != nil {
			return err
		}
		_, err = engine.Restore(ctx, tellingStore{store}, chain)
		return err
	}()
	fmt.Fprintln(os.Stderr, "it was to be killed:", err)
}

type tellingStore struct{ ports.Store }

func (s tellingStore) Apply(ctx context.Context, c ports.Commit) error {
	err := s.Store.Apply(ctx, c)
	return errors.Join(err, tellStep())
}

// killedIn starts a child at a work and kills it after so many steps. It returns what the child accepted meanwhile.
func killedIn(t *testing.T, work, dir, file string, steps int) (accepted []string) {
	t.Helper()
	cmd := exec.CommandContext(bounded(t), os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), childDir+"="+dir, childName+"=2", childWork+"="+work, childFile+"="+file)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	seen := 0
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if id, ok := strings.CutPrefix(lines.Text(), "accepted "); ok {
			accepted = append(accepted, id)
			continue
		}
		if seen++; seen < steps {
			_, err = in.Write([]byte{'\n'})
		} else {
			err = cmd.Process.Kill()
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := cmd.Wait(); err == nil || seen < steps {
		t.Fatalf("the child made %d steps and ended with %v; it was to be killed", seen, err)
	}
	return accepted
}

// TestKillInABackup: an engine is killed in the middle of a backup beside live traffic, and a restore in its middle. What the first has written is
// refused as a backup, what the second has written as a directory; done again, both succeed, and the restored engine has every candidate
// and makes the calls that were open.
func TestKillInABackup(t *testing.T) {
	t.Parallel()
	dir, file := filepath.Join(t.TempDir(), "data"), filepath.Join(t.TempDir(), "b")
	receiver := harness.NewReceiver(t, harness.Options{Keep: 1_000_000})
	ph := open(t, posthorn.Options{Dir: dir})
	register(t, ph, receiver)
	for range 2000 { // so that a backup is written in several steps
		create(t, ph)
	}
	shut(t, ph)

	accepted := killedIn(t, "backup", dir, file, 6)
	if _, err := posthorn.Restore(bounded(t), posthorn.Options{Dir: t.TempDir()}, file); !errors.Is(err, posthorn.ErrDamaged) {
		t.Errorf("half a backup was taken: %v", err)
	}
	sound(t, dir)

	ph = open(t, posthorn.Options{Dir: dir})
	var whole bytes.Buffer
	if _, err := ph.Backup(bounded(t), &whole, nil); err != nil {
		t.Fatal(err)
	}
	shut(t, ph)
	if err := os.WriteFile(file, whole.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}

	// Before a restore's first commit there is a store that holds nothing.
	fresh := t.TempDir()
	ended, cancel := context.WithCancel(bounded(t))
	cancel()
	if _, err := posthorn.Restore(ended, posthorn.Options{Dir: fresh}, file); !errors.Is(err, context.Canceled) {
		t.Errorf("a restore that was cut off ended with %v", err)
	}
	refused(t, posthorn.Options{Dir: fresh}, "run `posthorn restore` again")

	for _, steps := range []int{1, 3} {
		fresh := t.TempDir()
		killedIn(t, "restore", fresh, file, steps)
		key, err := posthorn.ParseKey(read(t, filepath.Join(dir, "secret.key")))
		if err != nil {
			t.Fatal(err)
		}
		refused(t, posthorn.Options{Dir: fresh, Key: key}, "run `posthorn restore` again")
		if _, err := posthorn.Restore(bounded(t), posthorn.Options{Dir: fresh}, file); !errors.Is(err, posthorn.ErrConflict) {
			t.Errorf("it was restored over what a killed restore had left: %v", err)
		}
		if err := os.RemoveAll(fresh); err != nil {
			t.Fatal(err)
		}
		if _, err := posthorn.Restore(bounded(t), posthorn.Options{Dir: fresh}, file); err != nil {
			t.Fatal(err)
		}
		sound(t, fresh)
		again := open(t, posthorn.Options{Dir: fresh, Key: key})
		for _, id := range accepted {
			if _, err := again.Candidate(bounded(t), company, id); err != nil {
				t.Errorf("candidate %s was accepted before the backup: %v", id, err)
			}
		}
		allEnded(t, again)
		shut(t, again)
		sound(t, fresh)
	}
}
