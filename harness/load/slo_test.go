package load

import (
	"strings"
	"testing"
	"time"
)

// measured is a result with 1000 arrivals of 1 to 1000 ms, and accepts of half that.
func measured() *Result {
	accept, arrival := newLatencies(), newLatencies()
	for i := range 1000 {
		arrival.add(time.Duration(i+1) * time.Millisecond)
		accept.add(time.Duration(i+1) * time.Millisecond / 2)
	}
	r := &Result{Accept: accept.sum(), Arrival: arrival.sum(), Expected: 1000, Accepted: 1000, DeliveredPerSecond: 1900}
	r.Generator.Sent = 1000
	r.Lost.Count, r.Duplicated.Count = 2, 1
	return r
}

func TestSLO(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"p50<510ms":        "ok    p50<510ms: p50 is 500.223ms",
		"p50 <= 499ms":     "FAIL  p50 <= 499ms: p50 is 500.223ms",
		"p99>980ms":        "ok    p99>980ms: p99 is 990.207ms",
		"p99.9<1s":         "ok    p99.9<1s: p99.9 is 999.423ms",
		"max>=1s":          "ok    max>=1s: max is 1.000447s",
		"accept.p99<500ms": "ok    accept.p99<500ms: accept.p99 is 495.103ms",
		"lost=2":           "ok    lost=2: lost is 2",
		"lost=0":           "FAIL  lost=0: lost is 2",
		"duplicated<0.1%":  "FAIL  duplicated<0.1%: duplicated is 0.1%",
		"duplicated<=0.1%": "ok    duplicated<=0.1%: duplicated is 0.1%",
		"bad=0":            "ok    bad=0: bad is 0",
		"refused<1%":       "ok    refused<1%: refused is 0%",
		"rate>=1900":       "ok    rate>=1900: rate is 1900.0/s",
		"rate>1900":        "FAIL  rate>1900: rate is 1900.0/s",
	} {
		slo, err := ParseSLO(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := slo[0].judge(measured()).String(); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// What nothing is known of is not kept: a run in which nothing arrived has no good percentile.
func TestSLOOfNothing(t *testing.T) {
	t.Parallel()
	slo, err := ParseSLO("p99<1s,accept.p99<1s,lost<1%")
	if err != nil {
		t.Fatal(err)
	}
	empty := &Result{Accept: newLatencies().sum(), Arrival: newLatencies().sum()}
	for _, o := range slo {
		if v := o.judge(empty); v.OK {
			t.Errorf("%v", v)
		}
	}
	if empty.judge(nil); empty.OK || empty.Verdicts[0].Got != "none was accepted" {
		t.Errorf("%v", empty.Verdicts)
	}
}

func TestParseSLORefuses(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"p99":           `objective "p99" is refused: it compares nothing: there is none of < <= > >= =; write it like p99<250ms`,
		"p99<250":       `its bound "250" is no duration`,
		"p99<-1s":       `its bound "-1s" is no duration`,
		"p0<1s":         `there is no metric "p0"`,
		"p100<1s":       `there is no metric "p100"`,
		"pNaN<1s":       `there is no metric "pNaN"`,
		"p1e400<1s":     `there is no metric "p1e400"`,
		"latency<1s":    `there is no metric "latency"`,
		"accept.lost=0": `there is no metric "accept.lost"`,
		"lost==0":       `its bound "=0" is no number from 0`,
		"lost=-1":       `its bound "-1"`,
		"lost<Inf":      `its bound "Inf"`,
		"rate>5%":       `its bound "5%"`,
		"lost=0,":       `objective "" is refused`,
	} {
		if _, err := ParseSLO(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}

func FuzzParseSLO(f *testing.F) {
	for _, seed := range []string{"p99<250ms,lost=0", "accept.p99.9<=1.5s", "duplicated<0.1%", "rate>=1900", "max>1s", "p<", "<=>", "bad=1e-9%"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		slo, err := ParseSLO(text)
		if err != nil {
			if first, do, ok := strings.Cut(err.Error(), "; write it like "); !ok || do == "" || !strings.Contains(first, "refused: ") {
				t.Fatalf("an error of other than three parts: %v", err)
			}
			return
		}
		r := measured()
		for _, o := range slo {
			v := o.judge(r)
			again, err := ParseSLO(v.Name)
			if err != nil || again[0].judge(r) != v {
				t.Fatalf("%q is judged as %v, and then as %v: %v", o.Text, v, again, err)
			}
		}
	})
}
