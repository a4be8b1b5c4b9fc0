package soak

import (
	"bytes"
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"posthorn/bench/internal/numbered"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestMoods(t *testing.T) {
	t.Parallel()
	m, err := openMoody(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	defer func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	}()
	post := func() int {
		res, err := client.Post(m.URL(), "application/json", strings.NewReader("{}"))
		if err != nil {
			return 0
		}
		_ = res.Body.Close()
		return res.StatusCode
	}
	if got := post(); got != http.StatusNoContent {
		t.Errorf("well: %d", got)
	}
	m.become(failing)
	if got := post(); got != http.StatusInternalServerError {
		t.Errorf("failing: %d", got)
	}
	m.become(hanging)
	hung := make(chan int)
	go func() { hung <- post() }() // ends with the mood
	if err := m.Await(t.Context(), 3); err != nil {
		t.Fatal(err)
	}
	select {
	case got := <-hung:
		t.Fatalf("hanging: answered %d", got)
	default:
	}
	m.become(well)
	if got := <-hung; got != 0 {
		t.Errorf("what hung was answered %d when the mood changed, want the connection closed", got)
	}
}

func TestCandidatesBearTheirNumber(t *testing.T) {
	t.Parallel()
	body := candidate(1236)
	if id := numbered.ID(nil, body); id != "000001236" || bytes.Contains(body, []byte("companyId")) {
		t.Errorf("%s bears %q", body, id)
	}
}

func TestJudgeOfASoak(t *testing.T) {
	t.Parallel()
	receiver, err := numbered.Receive(t.Context(), time.Now(), 1)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := receiver.Close(); err != nil {
			t.Error(err)
		}
	}()
	steady := func(change func(i int, s *sample)) (all []sample) {
		for i := range 8 {
			s := sample{goroutines: 100, files: 50, anonymous: 1 << 26, disk: float64(i+1) * 1000, calls: float64(i + 1)}
			change(i, &s)
			all = append(all, s)
		}
		return all
	}
	for _, c := range []struct {
		name    string
		samples []sample
		failed  int
		want    string // what failed, in part
	}{
		{"steady", steady(func(int, *sample) {}), 0, ""},
		{"goroutines", steady(func(i int, s *sample) { s.goroutines = 100 * float64(i) }), 0, "FAIL  goroutines: +"},
		{"files", steady(func(i int, s *sample) { s.files = 10 * float64(i) }), 0, "FAIL  files: +"},
		{"memory", steady(func(i int, s *sample) { s.anonymous = float64(i) }), 0, "FAIL  anonymous MiB: +"},
		{"bytes a call", steady(func(_ int, s *sample) { s.disk = s.calls * s.calls }), 0, "FAIL  bytes a call: +"},
		{"calls that failed", steady(func(int, *sample) {}), 2, "FAIL  2 calls ended otherwise than succeeded"},
	} {
		var out strings.Builder
		r := &run{samples: c.samples, out: &out, receiver: receiver}
		err := r.judge(c.failed)
		if (err == nil) != (c.want == "") || !strings.Contains(out.String(), c.want) {
			t.Errorf("%s: %v\n%s", c.name, err, &out)
		}
	}
}

func TestAverageKeepsWhatOnlyGrows(t *testing.T) {
	t.Parallel()
	got := average([]sample{{at: 1, goroutines: 10, calls: 5, disk: 7}, {at: 2, goroutines: 20, calls: 6, disk: 9}})
	if want := (sample{at: 2, goroutines: 15, calls: 6, disk: 9}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

func TestSleepEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if sleep(ctx, time.Hour) || sleep(ctx, 0) {
		t.Error("it slept on although its context had ended")
	}
	if !sleep(t.Context(), -1) {
		t.Error("what is due already was not let through")
	}
}
