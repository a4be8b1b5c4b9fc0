package portstest_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"posthorn/ports"
	"posthorn/ports/portstest"
)

// A journal is a bus that writes down the ids it was given.
type journal struct {
	ports.Bus

	ids []string
}

func (j *journal) Publish(_ context.Context, topic string, envelopes ...ports.Envelope) error {
	for _, e := range envelopes {
		j.ids = append(j.ids, topic+e.ID+string(e.Body))
	}

	return nil
}

func TestFaultBus(t *testing.T) {
	t.Parallel()

	for _, test := range []struct {
		fault portstest.BusFault
		err   error
		want  string // envelopes 1 and 2 with the fault, then 3 without, then Release
	}{
		{portstest.BusFaithful, nil, "t1- t2- t3-"},
		{portstest.BusFailBefore, portstest.ErrInjected, "t3-"},
		{portstest.BusFailAfter, portstest.ErrInjected, "t1- t2- t3-"},
		{portstest.BusDrop, nil, "t3-"},
		{portstest.BusDuplicate, nil, "t1- t2- t1- t2- t3-"},
		{portstest.BusReverse, nil, "t2- t1- t3-"},
		{portstest.BusHold, nil, "t3- t1- t2-"},
	} {
		inside := &journal{}
		bus := portstest.NewFaultBus(inside, func(topic string, nth int) portstest.BusFault {
			if topic == "t" && nth == 1 {
				return test.fault
			}

			return portstest.BusFaithful
		})

		batch := []ports.Envelope{{ID: "1", Body: []byte("-")}, {ID: "2", Body: []byte("-")}}
		if err := bus.Publish(t.Context(), "t", batch...); !errors.Is(err, test.err) {
			t.Errorf("fault %d: Publish = %v, want %v", test.fault, err, test.err)
		}

		batch[0].Body[0] = '!' // the publisher's own again

		if err := bus.Publish(t.Context(), "t", ports.Envelope{ID: "3", Body: []byte("-")}); err != nil {
			t.Errorf("fault %d: second Publish = %v", test.fault, err)
		}

		if _, err := bus.Release(t.Context()); err != nil {
			t.Errorf("fault %d: Release = %v", test.fault, err)
		}

		if got := strings.Join(inside.ids, " "); got != test.want || bus.Published("t") != 2 {
			t.Errorf("fault %d: went through %q in %d Publishes, want %q in 2", test.fault, got, bus.Published("t"), test.want)
		}
	}
}
