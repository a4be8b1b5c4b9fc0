package contest

import (
	"strings"
	"testing"
	"time"
)

func TestTransportsReport(t *testing.T) {
	t.Parallel()
	of := func(over Transport, delivered float64) carriage {
		one := []float64{0.5}
		return carriage{
			Transport: over, delivered: []float64{delivered / 2, delivered, delivered * 2},
			engine: []float64{150}, broker: []float64{40}, syncs: one, envelopes: []float64{0.125}, bytes: []float64{700}, again: []float64{0},
		}
	}
	var out strings.Builder
	err := (Transports{Rounds: 3, Count: 10, Conns: 64}).report(&out, []carriage{
		of(Transport{Name: "channels"}, 1000), of(Transport{Name: "near", Aim: 0.6}, 600), of(Transport{Name: "far", Aim: 0.5}, 499),
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"delivered/s of channels aim",
		" channels 1000 (500..2000) 1.00 - 150 40 0.125 700 0.500 0.0000",
		" near 600 (300..1200) 0.60 0.60 reached ",
		" far 499 (250..998) 0.50 0.50 missed ",
	} {
		if !strings.Contains(strings.Join(strings.Fields(out.String()), " "), want) {
			t.Errorf("no %q in\n%s", want, &out)
		}
	}
}

// Over a broker only one time is promised, and only where the broker has one.
func TestPromisesOverABroker(t *testing.T) {
	t.Parallel()
	raw, quick, slow := flat(0, ms, 0, ms), flat(0, 30*ms, 99*ms, 120*ms), flat(0, 30*ms, 100*ms, 120*ms)
	near := Posthorn{Transport: Transport{Name: "near", URL: "near://", Carried: 100 * time.Millisecond}}
	for _, c := range []struct {
		name string
		of   Posthorn
		t    times
		want string
	}{
		{"kept", near, quick, "P"},
		{"slow", near, slow, "F"},
		{"nothing promised", Posthorn{Transport: Transport{Name: "far", URL: "far://"}}, slow, ""},
	} {
		if got := initials(Latency{Conns: 64}.kept(c.of.promises(), quietRate, "it", c.t, raw)); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

// Topics of an earlier run may hold what nobody wants any more.
func TestEachRunHasTopicsOfItsOwn(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{"nats://h:1": "nats://h:1?prefix=bench-", "sqs://r?endpoint=e": "sqs://r?endpoint=e&prefix=bench-"} {
		over := Transport{URL: url}
		one, other := over.fresh(), over.fresh()
		if !strings.HasPrefix(one, want) || one == other {
			t.Errorf("%s: %s and %s; want %s with something new each time", url, one, other, want)
		}
	}
}
