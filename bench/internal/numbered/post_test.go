package numbered_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"posthorn/bench/internal/numbered"
	"posthorn/harness/load"
)

// Many at once write over the bodies of those before them: no number is lost or sent twice.
func TestPostsArrive(t *testing.T) {
	t.Parallel()
	const count = 300
	r, client := receive(t, 1000+count), load.NewClient(8)
	defer client.CloseIdleConnections()
	send, err := numbered.Post(client, r.URL(), numbered.Delivered())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := numbered.Closed(t.Context(), time.Now(), numbered.Numbers{First: 1000, Count: count}, 8, send); err != nil {
		t.Fatal(err)
	}
	if err := wait(t, r, count); err != nil {
		t.Error(err)
	}
	if _, came := r.Arrival(1000); !came || r.Arrived() != count || r.Repeated() != 0 {
		t.Errorf("%d arrived, %d repeated, the first: %v", r.Arrived(), r.Repeated(), came)
	}
}

func TestAnswersAreJudged(t *testing.T) {
	t.Parallel()
	full := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "full up", http.StatusServiceUnavailable) }))
	defer full.Close()
	send, err := numbered.Post(full.Client(), full.URL, numbered.Delivered())
	if err != nil {
		t.Fatal(err)
	}
	if err := send(t.Context(), 7); err == nil || !strings.Contains(err.Error(), `refused with 503 Service Unavailable: "full up`) {
		t.Errorf("refused: %v", err)
	}
	wrong := errors.New("wrong")
	send, err = numbered.Ask(full.Client(), full.URL, numbered.Delivered(), func(n int, res *http.Response, said []byte) error {
		if n == 7 && res.StatusCode == http.StatusServiceUnavailable && strings.HasPrefix(string(said), "full up") {
			return nil
		}
		return wrong
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := send(t.Context(), 7); err != nil {
		t.Errorf("as was awaited: %v", err)
	}
	if err := send(t.Context(), 8); !errors.Is(err, wrong) {
		t.Errorf("not as was awaited: %v", err)
	}
	if _, err := numbered.Post(full.Client(), "://", nil); err == nil {
		t.Error("no URL was taken for one")
	}
}
