package load

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"posthorn/harness"
)

func TestParseFaults(t *testing.T) {
	t.Parallel()
	got, err := ParseFaults("status=500:5%, delay=200ms:10%,hang:1%:all,reset:0.5%:3")
	if err != nil {
		t.Fatal(err)
	}
	want := Faults{
		{Reply: harness.Reply{Status: 500}, Share: 0.05, Attempts: 1},
		{Reply: harness.Reply{Delay: 200 * time.Millisecond}, Share: 0.1, Attempts: 1},
		{Reply: harness.Reply{Fault: harness.Hang}, Share: 0.01},
		{Reply: harness.Reply{Fault: harness.Reset}, Share: 0.005, Attempts: 3},
	}
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b harness.Reply) bool {
		return a.Status == b.Status && a.Delay == b.Delay && a.Fault == b.Fault
	})); diff != "" {
		t.Error(diff)
	}
	var classes []string
	for _, f := range got {
		classes = append(classes, f.Class())
	}
	if text := strings.Join(classes, " "); text != "status=500 delay=200ms hang:all reset:3" {
		t.Error(text)
	}
	if none, err := ParseFaults(" "); err != nil || none != nil {
		t.Errorf("%v, %v", none, err)
	}
}

func TestParseFaultsRefuses(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"status=500":              `fault "status=500" is refused: it is not WHAT:SHARE nor WHAT:SHARE:ATTEMPTS; write it like status=500:5%, delay=200ms:10% or hang:1%:all`,
		"status=99:1%":            `its status "99" is not 200 to 599`,
		"status:1%":               `its status "" is not 200 to 599`,
		"delay=-1s:1%":            `its delay "-1s" is no duration above 0`,
		"hang=1s:1%":              `"hang=1s" is none of status=CODE, delay=DURATION, hang, reset`,
		"sleep:1%":                `"sleep" is none of`,
		"hang:5":                  `its share "5" is not above 0% and at most 100%`,
		"hang:0%":                 `its share "0%"`,
		"hang:NaN%":               `its share "NaN%"`,
		"hang:101%":               `its share "101%"`,
		"hang:1%:0":               `its attempts "0" are neither a number from 1 nor all`,
		"hang:1%:some":            `its attempts "some"`,
		"hang:1%,":                `fault "" is refused`,
		"hang:1%,hang:2%":         `hang stands there twice`,
		"hang:60%,status=500:41%": `the shares add up to 101%`,
	} {
		if _, err := ParseFaults(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}

func TestPickIsByShareAndSeed(t *testing.T) {
	t.Parallel()
	faults, err := ParseFaults("status=500:5%,hang:1%")
	if err != nil {
		t.Fatal(err)
	}
	const most = 100_000
	counts := map[int]float64{}
	same := 0
	for n := range uint64(most) {
		f := faults.pick(7, n)
		counts[f]++
		if faults.pick(7, n) != f {
			t.Fatalf("number %d was struck by two", n)
		}
		if f >= 0 && faults.pick(8, n) == f {
			same++
		}
	}
	// Five standard deviations of a binomial.
	for f, share := range map[int]float64{0: 0.05, 1: 0.01, -1: 0.94} {
		if off := math.Abs(counts[f] - share*most); off > 5*math.Sqrt(most*share*(1-share)) {
			t.Errorf("fault %d struck %g of %d, not %g", f, counts[f], most, share*most)
		}
	}
	if same > 600 { // 260 are expected of two independent draws
		t.Errorf("another seed struck %d of the same", same)
	}
}

func FuzzParseFaults(f *testing.F) {
	for _, seed := range []string{"status=500:5%,delay=200ms:10%,hang:1%", "reset:0.5%:3", "hang:100%:all", "delay=1h:1e-3%", ":%:", "status=500:5%:9999999", "; "} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		faults, err := ParseFaults(text)
		if err != nil {
			if _, why, ok := strings.Cut(err.Error(), " refused: "); !ok || !strings.Contains(why, "; ") {
				t.Fatalf("an error of other than three parts: %v", err)
			}
			return
		}
		sum := 0.0
		for _, one := range faults {
			if sum += one.Share; one.Attempts < 0 || one.Share <= 0 {
				t.Fatalf("%+v", one)
			}
			// What it is called is what it would be written as, but for the share.
			what, attempts, _ := strings.Cut(one.Class(), ":")
			again, err := ParseFaults(strings.TrimSuffix(what+":1%:"+attempts, ":"))
			if err != nil || again[0].Class() != one.Class() {
				t.Fatalf("%s is read as %v: %v", one.Class(), again, err)
			}
		}
		if sum > 1+1e-6 {
			t.Fatalf("the shares of %v add up to %g", faults, sum)
		}
		for n := range uint64(20) {
			if f := faults.pick(1, n); f < -1 || f >= len(faults) {
				t.Fatalf("picked %d of %d", f, len(faults))
			}
		}
	})
}
