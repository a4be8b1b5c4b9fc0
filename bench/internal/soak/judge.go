package soak

import (
	"fmt"

	"posthorn/bench/internal/verdict"
)

// judge compares what the engine held in the last quarter of the time with the quarter before.
func (r *run) judge(failed int) error {
	lost := 0
	for n := range r.count {
		if !told(n) {
			continue
		}
		for w := range wellHooks {
			if _, came := r.receiver.Arrival(w*r.count + n); !came {
				lost++
			}
		}
	}
	verdicts := []verdict.Verdict{
		verdict.Of(lost == 0, "%d accepted calls lost over %d kills, promised none", lost, r.kills),
		verdict.Of(failed == 0, "%d calls ended otherwise than succeeded, promised none", failed),
	}
	for _, c := range columns() {
		if c.most > 0 {
			g := growth(r.samples, c)
			verdicts = append(verdicts, verdict.Of(g < c.most, "%s: %+.1f %% from the third quarter to the last, promised under %.0f %%",
				c.name, 100*g, 100*c.most))
		}
	}
	_, err := fmt.Fprintf(r.out, "\n%d requests, %d of them made again; %d calls came twice to receivers that were well\n\n",
		r.count, r.traffic.again.Load(), r.receiver.Repeated())
	if err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return verdict.Report(r.out, verdicts)
}
