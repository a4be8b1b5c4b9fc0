package hang_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"posthorn/bench/internal/hang"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t *testing.T) *hang.Receiver {
	t.Helper()
	r, err := hang.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestAClientThatWaitsGetsNoAnswer(t *testing.T) {
	t.Parallel()
	r := open(t)
	wrote, failed := make(chan struct{}), make(chan error)
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{WroteRequest: func(httptrace.WroteRequestInfo) { close(wrote) }})
	go func() {
		transport := &http.Transport{}
		defer transport.CloseIdleConnections()
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.URL+"/7", strings.NewReader("{}"))
		if err == nil {
			var res *http.Response
			if res, err = transport.RoundTrip(req); err == nil {
				err = errors.Join(errors.New("it was answered with "+res.Status), res.Body.Close())
			}
		}
		failed <- err
	}()
	<-wrote
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if err := <-failed; err == nil || strings.Contains(err.Error(), "answered") {
		t.Errorf("a held client: %v", err)
	}
}

// A watched context tells when somebody begins to wait for its end.
type watched struct {
	context.Context

	waited chan struct{}
}

func (w watched) Done() <-chan struct{} {
	w.waited <- struct{}{}
	return w.Context.Done()
}

func TestReceiverHoldsUntilTheClientGivesUp(t *testing.T) {
	t.Parallel()
	r := open(t)
	hold := func() (giveUp func()) {
		ctx, cancel := context.WithCancel(t.Context())
		w := watched{ctx, make(chan struct{})}
		ended := make(chan any)
		go func() {
			defer func() { ended <- recover() }()
			r.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/", strings.NewReader("{}")).WithContext(w))
		}()
		<-w.waited
		return func() {
			cancel()
			if got, _ := (<-ended).(error); !errors.Is(got, http.ErrAbortHandler) {
				t.Errorf("the request ended with %v, want its connection closed", got)
			}
		}
	}
	first, second := hold(), hold()
	if got := r.Counts(); got.Holding != 2 {
		t.Errorf("%+v, want 2 held", got)
	}
	first()
	second()
	hold()()
	if got, want := r.Counts(), (hang.Counts{Holding: 0, Most: 2, Taken: 3}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}
