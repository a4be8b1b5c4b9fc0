package report_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"posthorn/harness/load"
	"posthorn/harness/load/report"
)

var update = flag.Bool("update", false, "rewrite the golden files, and docs/report.png where there is a browser")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// latency is one with a long tail: the median at p50, ten times as long at each further nine.
func latency(count int, p50 time.Duration) load.Latency {
	at := func(q float64) time.Duration {
		return time.Duration(float64(p50) * math.Pow(-math.Log2(1-q)+0.05, 1.4)).Round(time.Microsecond)
	}
	l := load.Latency{
		Count: count, Mean: at(0.6), P50: at(0.5), P90: at(0.9), P99: at(0.99), P999: at(0.999), Max: at(1 - 0.5/float64(count)),
	}
	for left := 1.0; left*float64(count) >= 1; left *= math.Pow(2, -0.25) {
		l.Curve = append(l.Curve, load.Point{Quantile: 1 - left, Time: at(1 - left)})
	}
	l.Curve = append(l.Curve, load.Point{Quantile: 1, Time: l.Max})
	return l
}

// sample is a run in which receivers misbehaved, two messages were lost, and the sender stalled for a moment.
func sample() *load.Result {
	r := &load.Result{
		Run: "load-abcdefgh", Target: "http://127.0.0.1:8080 /v1", Started: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC),
		Plan:      load.Plan{Rate: 2000, Seconds: 30, RampSeconds: 5, Companies: 4, Webhooks: 1, Receivers: 1, Payload: 100, Seed: 1, AttemptsOfCall: 4},
		Generator: load.Generator{Planned: 55_000, Sent: 55_000, PerSecond: 1999.8, Held: true, Late: latency(55_000, 60*time.Microsecond)},
		Accepted:  55_000, AcceptedPerSecond: 1832.6, DeliveredPerSecond: 1831.9, Expected: 55_000, Arrived: 54_998, Deliveries: 59_401, Repeats: 4403,
		OutOfOrder: 1201, Accept: latency(55_000, 1700*time.Microsecond), Arrival: latency(54_998, 2900*time.Microsecond),
		Lost:       load.Named{Count: 2, IDs: []string{"load-abcdefgh-0001234", "load-abcdefgh-0041414"}},
		Unfinished: load.Named{IDs: []string{}}, Duplicated: load.Named{IDs: []string{}}, Bad: load.Named{IDs: []string{}},
		Strange: load.Named{Count: 1, IDs: []string{`"<script>alert(1)</script>" at /x`}}, Refused: load.Named{IDs: []string{}},
		Classes: []load.Class{
			{Fault: "status=500", Expected: 2750, Arrived: 2750, Deliveries: 5500, Confirmed: 2750, Right: 2750, Arrival: latency(2750, 3*time.Millisecond)},
			{Fault: "hang:all", Expected: 551, Arrived: 551, Deliveries: 2204, Right: 551, Arrival: latency(551, 3*time.Millisecond)},
			{Fault: "none", Expected: 51_699, Arrived: 51_697, Deliveries: 51_697, Confirmed: 51_697, Right: 51_697, Lost: 2, Arrival: latency(51_697, 2900*time.Microsecond)},
		},
		History: &load.History{
			States: map[load.CallState]int{load.Succeeded: 54_447, load.Failed: 551, load.Pending: 2},
			Wrong:  load.Named{Count: 2, IDs: []string{"load-abcdefgh-0001234", "load-abcdefgh-0041414"}}, Missing: load.Named{IDs: []string{}},
		},
		Verdicts: []load.Verdict{
			{Name: "every trigger is accepted", Got: "0 refused or unanswered", OK: true},
			{Name: "nothing is lost", Got: "2 lost, first load-abcdefgh-0001234"},
			{Name: "every signature is right", Got: "0 bad", OK: true},
			{Name: "p99<250ms", Got: "p99 is 40.5ms", OK: true},
		},
	}
	pace := load.Pace{Rate: 2000, Duration: 30 * time.Second, Ramp: 5 * time.Second}
	for i := range 331 {
		at := time.Duration(i) * 100 * time.Millisecond
		due := pace.DueBy(at)
		wave := int(40 * (1 + math.Sin(float64(i)/3)))
		backlog := min(due, 10+wave/2)
		if i > 180 && i < 230 { // the stall
			backlog += min(i-180, 230-i) * 60
		}
		if i >= 300 {
			backlog = max(2, backlog-(i-299)*20)
		}
		r.Samples = append(r.Samples, load.Sample{At: at.Seconds(), Due: due, Accepted: due, Arrived: due - backlog, Backlog: backlog})
	}
	return r
}

func TestGoldens(t *testing.T) {
	t.Parallel()
	for name, write := range map[string]func(io.Writer, *load.Result) error{
		"report.html": report.HTML, "report.json": report.JSON, "report.xml": report.JUnit, "report.txt": report.Text,
	} {
		var got bytes.Buffer
		if err := write(&got, sample()); err != nil {
			t.Fatal(err)
		}
		golden := filepath.Join("testdata", name)
		if *update {
			if err := os.WriteFile(golden, got.Bytes(), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got.String()); diff != "" {
			t.Errorf("%s is another one (-want +got); if that is right, run with -update:\n%s", name, diff)
		}
	}
}

// What programs read must be what they can read, whatever the sender says.
func TestForms(t *testing.T) {
	t.Parallel()
	r := sample()
	r.Target, r.FirstRefusal = "http://x/<&>]]>", "refused with \x00 and ]]>"
	var page, junit, doc bytes.Buffer
	for w, write := range map[*bytes.Buffer]func(io.Writer, *load.Result) error{&page: report.HTML, &junit: report.JUnit, &doc: report.JSON} {
		if err := write(w, r); err != nil {
			t.Fatal(err)
		}
	}
	var suite struct {
		Failures int `xml:"failures,attr"`
		Cases    []struct {
			Name    string `xml:"name,attr"`
			Failure *struct {
				Message string `xml:"message,attr"`
			} `xml:"failure"`
		} `xml:"testcase"`
	}
	if err := xml.Unmarshal(junit.Bytes(), &suite); err != nil || suite.Failures != 1 || len(suite.Cases) != 4 || suite.Cases[1].Failure == nil {
		t.Errorf("%+v, %v", suite, err)
	}
	var back struct {
		Target string     `json:"target"`
		Lost   load.Named `json:"lost"`
	}
	if err := json.Unmarshal(doc.Bytes(), &back); err != nil || back.Target != r.Target || len(back.Lost.IDs) != 2 {
		t.Errorf("%+v, %v", back, err)
	}
	if strings.Contains(page.String(), "<script") || regexp.MustCompile(`(src|href)="[^d]`).MatchString(page.String()) {
		t.Error("the page has a script, or names another resource")
	}
}

// A run that was over before it began has a page, too.
func TestEmptyResult(t *testing.T) {
	t.Parallel()
	for _, write := range []func(io.Writer, *load.Result) error{report.HTML, report.JSON, report.JUnit, report.Text} {
		var got bytes.Buffer
		if err := write(&got, &load.Result{}); err != nil || got.Len() == 0 || strings.Contains(got.String(), "NaN") {
			t.Errorf("%v: %s", err, got.String())
		}
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, fmt.Errorf("no room") }

func TestWritesThatFail(t *testing.T) {
	t.Parallel()
	for _, write := range []func(io.Writer, *load.Result) error{report.HTML, report.JSON, report.JUnit, report.Text} {
		if err := write(full{}, sample()); err == nil || !strings.Contains(err.Error(), "no room") {
			t.Error(err)
		}
	}
}
