package crash

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
)

func TestDoorCountsWhatAKillLeaves(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDoor()
		for range 3 {
			if life, err := d.enter(t.Context()); life != 1 || err != nil {
				t.Fatalf("life %d, %v", life, err)
			}
		}
		if n := d.shut(); n != 3 {
			t.Errorf("%d inside, want 3", n)
		}
		entered := make(chan int)
		go func() { // ends when the door opens
			life, _ := d.enter(t.Context())
			entered <- life
		}()
		synctest.Wait()
		for _, answered := range []bool{true, false, false} {
			if err := d.leave(1, answered); err != nil {
				t.Errorf("leave a server that was killed: %v", err)
			}
		}
		if n, err := d.left(t.Context()); n != 2 || err != nil {
			t.Errorf("%d were not answered, want 2: %v", n, err)
		}
		d.reopen(true)
		if life := <-entered; life != 2 {
			t.Errorf("who waited came into life %d", life)
		}
		if err := d.leave(2, false); !errors.Is(err, errBroken) {
			t.Errorf("a server that broke off by itself: %v", err)
		}
	})
}

func TestDoorOfAnEmptyHouse(t *testing.T) {
	t.Parallel()
	d := newDoor()
	if n := d.shut(); n != 0 {
		t.Errorf("%d inside", n)
	}
	if n, err := d.left(t.Context()); n != 0 || err != nil {
		t.Errorf("%d were not answered: %v", n, err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := d.enter(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("a door that stays shut: %v", err)
	}
	d.reopen(false)
	if life, err := d.enter(ended); life != 1 || err != nil {
		t.Errorf("after a kill that did not fall it is life %d, %v", life, err)
	}
	d.shut()
	_ = d.leave(1, true)
	if _, err := d.left(t.Context()); err != nil {
		t.Error(err)
	}
}
