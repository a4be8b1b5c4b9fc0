package badgerstore

import (
	"fmt"
	"testing"
)

// TestOpenAfterCrashBesideAnEmptyLog: killed between making a log's file and giving it its size, or between taking the size and removing it.
func TestOpenAfterCrashBesideAnEmptyLog(t *testing.T) {
	t.Parallel()
	const n = 40
	files := crashed(t, n)
	torn := files
	for _, ext := range []string{".mem", ".vlog"} {
		log := only(t, files, ext)
		var number int
		if _, err := fmt.Sscanf(log, "%d", &number); err != nil {
			t.Fatal(err)
		}
		for _, empty := range []int{number - 1, number + 1} { // on its way out, or in
			torn = with(torn, fmt.Sprintf("%0*d%s", len(log)-len(ext), empty, ext), []byte{})
		}
	}
	if harmless(t, "a crash beside empty logs", torn, n) {
		t.Error("Open refused what a crash has left")
	}
}
