package forward

import (
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
)

// counting is the end of the way: it answers 204 to what is posted, and tells whoever gets it how many that were.
func counting() http.Handler {
	var count atomic.Int64
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			_, _ = fmt.Fprint(w, count.Load()) // who asked has gone
			return
		}
		if _, err := io.Copy(io.Discard, r.Body); err == nil {
			count.Add(1)
		}
		w.WriteHeader(http.StatusNoContent)
	})
}
