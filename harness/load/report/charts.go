package report

import (
	"fmt"
	"html/template"
	"math"
	"strings"

	"posthorn/harness/load"
)

// A chart is drawn in a box of width x height units, the plot inside the margins.
type chart struct {
	ID, Title, Desc string
	XLabel, YLabel  string
	XTicks, YTicks  []tick
	Lines           []line
}

// A tick is a mark of an axis at a place of the box.
type tick struct {
	At   float64
	Text string
}

// A line is one of up to three; its class in the page gives its colour and its dashes, so that it can be told apart in print.
type line struct {
	Name  string
	Class string
	Path  template.HTMLAttr
}

// The box.
const (
	width, height           = 760.0, 260.0
	left, right, top, below = 62.0, 14.0, 26.0, 40.0
)

// A scale maps values to places. from and to are values, low and high places.
type scale struct{ from, to, low, high float64 }

func (s scale) at(v float64) float64 {
	if s.to == s.from {
		return s.low
	}
	return s.low + (v-s.from)/(s.to-s.from)*(s.high-s.low)
}

func charts(r *load.Result) []chart {
	return []chart{latencyChart(r), throughputChart(r), backlogChart(r)}
}

// latencyChart draws both latencies over percentiles, as HdrHistogram's plots do: each step to the right halves what is left.
func latencyChart(r *load.Result) chart {
	deepest, most := 1.0, 0.0
	for _, l := range []load.Latency{r.Accept, r.Arrival} {
		for _, p := range l.Curve {
			most = max(most, float64(p.Time)/1e6)
			if p.Quantile < 1 {
				deepest = max(deepest, nines(p.Quantile))
			}
		}
	}
	x := scale{0, deepest + 0.2, left, width - right}
	ticksY, y := axis(most)
	c := chart{
		ID: "latency", Title: "Latency by percentile", XLabel: "percentile", YLabel: "ms", YTicks: ticksY,
		Desc: fmt.Sprintf("Arrival: half within %s ms, 99 %% within %s ms, the slowest %s ms. Accept: half within %s ms, 99 %% within %s ms.",
			ms(r.Arrival.P50), ms(r.Arrival.P99), ms(r.Arrival.Max), ms(r.Accept.P50), ms(r.Accept.P99)),
	}
	for _, q := range []float64{0, 0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999, 0.999999} {
		if at := nines(q); at <= x.to {
			c.XTicks = append(c.XTicks, tick{x.at(at), fmt.Sprintf("%.6g%%", q*100)})
		}
	}
	curve := func(l load.Latency) template.HTMLAttr {
		var p path
		for _, point := range l.Curve {
			p.to(x.at(min(nines(point.Quantile), x.to)), y.at(float64(point.Time)/1e6))
		}
		return p.attr()
	}
	c.Lines = []line{{"arrival", "a", curve(r.Arrival)}, {"accept", "b", curve(r.Accept)}}
	return c
}

// nines is how many decimal digits of a share are nine: 1 for 0.9, 2 for 0.99.
func nines(q float64) float64 {
	if q >= 1 {
		return math.Inf(1)
	}
	return -math.Log10(1 - q)
}

// throughputChart draws what was due, accepted and arrived, a second.
func throughputChart(r *load.Result) chart {
	fan := 1.0
	if r.Accepted > 0 {
		fan = float64(r.Expected) / float64(r.Accepted)
	}
	rates := rates(r.Samples)
	most := 0.0
	for _, s := range rates {
		most = max(most, s.due*fan, s.accepted*fan, s.arrived)
	}
	x, ticksX := timeAxis(r.Samples)
	ticksY, y := axis(most)
	c := chart{
		ID: "throughput", Title: "Throughput over time", XLabel: "seconds", YLabel: "a second", XTicks: ticksX, YTicks: ticksY,
		Desc: fmt.Sprintf("%.0f accepted and %.0f delivered a second on average, %g were intended. What is due and accepted counts once for each webhook.",
			r.AcceptedPerSecond, r.DeliveredPerSecond, r.Plan.Rate),
	}
	draw := func(of func(rate) float64) template.HTMLAttr {
		var p path
		for _, s := range rates {
			p.to(x.at(s.at), y.at(of(s)))
		}
		return p.attr()
	}
	c.Lines = []line{
		{"delivered", "a", draw(func(s rate) float64 { return s.arrived })},
		{"accepted", "b", draw(func(s rate) float64 { return s.accepted * fan })},
		{"due", "c", draw(func(s rate) float64 { return s.due * fan })},
	}
	return c
}

// backlogChart draws what was accepted and had not arrived.
func backlogChart(r *load.Result) chart {
	most := 0.0
	for _, s := range r.Samples {
		most = max(most, float64(s.Backlog))
	}
	x, ticksX := timeAxis(r.Samples)
	ticksY, y := axis(most)
	var p path
	for _, s := range r.Samples {
		p.to(x.at(s.At), y.at(float64(s.Backlog)))
	}
	return chart{
		ID: "backlog", Title: "Backlog over time", XLabel: "seconds", YLabel: "messages", XTicks: ticksX, YTicks: ticksY,
		Desc:  fmt.Sprintf("Accepted and not yet arrived: %.0f at the most, %d in the end.", most, r.Lost.Count),
		Lines: []line{{"not yet arrived", "a", p.attr()}},
	}
}

// A rate is over the time from the sample before.
type rate struct{ at, due, accepted, arrived float64 }

// beats is over how many parts of a run rates are taken: fewer than samples, so that a line is calm.
const beats = 120

func rates(samples []load.Sample) (all []rate) {
	if len(samples) == 0 {
		return nil
	}
	step := max(samples[len(samples)-1].At/beats, 0.25)
	before := samples[0]
	for _, s := range samples[1:] {
		took := s.At - before.At
		if took < step*0.99 {
			continue
		}
		all = append(all, rate{
			(s.At + before.At) / 2, float64(s.Due-before.Due) / took, float64(s.Accepted-before.Accepted) / took,
			float64(s.Arrived-before.Arrived) / took,
		})
		before = s
	}
	return all
}

func timeAxis(samples []load.Sample) (scale, []tick) {
	end := 1.0
	if len(samples) > 0 {
		end = max(samples[len(samples)-1].At, 0.1)
	}
	x := scale{0, end, left, width - right}
	var ticks []tick
	step := nice(end / 8)
	for v := 0.0; v <= end*1.0001; v += step {
		ticks = append(ticks, tick{x.at(v), fmt.Sprintf("%.6g", v)})
	}
	return x, ticks
}

// axis is for values from 0 to most.
func axis(most float64) ([]tick, scale) {
	step := nice(max(most, 1e-3) / 4)
	y := scale{0, step * math.Ceil(max(most, 1e-3)/step), height - below, top}
	var ticks []tick
	for v := 0.0; v <= y.to*1.0001; v += step {
		text := fmt.Sprintf("%.6g", v)
		if v >= 1000 {
			text = grouped(int(math.Round(v)))
		}
		ticks = append(ticks, tick{y.at(v), text})
	}
	return ticks, y
}

// nice rounds up to 1, 2 or 5 times a power of ten.
func nice(v float64) float64 {
	base := math.Pow(10, math.Floor(math.Log10(v)))
	for _, m := range []float64{1, 2, 5} {
		if v <= m*base*1.0001 {
			return m * base
		}
	}
	return 10 * base
}

// A path is the d of an SVG path.
type path struct{ b strings.Builder }

func (p *path) to(x, y float64) {
	verb := "L"
	if p.b.Len() == 0 {
		verb = "M"
	}
	fmt.Fprintf(&p.b, "%s%.1f %.1f", verb, x, y)
}

// attr holds digits, points and the letters M and L only, so nothing in it needs escaping.
func (p *path) attr() template.HTMLAttr {
	if p.b.Len() == 0 {
		return ""
	}
	return template.HTMLAttr(`d="` + p.b.String() + `"`) //nolint:gosec // see above
}

// The template places things by these.

// Width of the box.
func (chart) Width() float64 { return width }

// Height of the box.
func (chart) Height() float64 { return height }

// Left edge of the plot.
func (chart) Left() float64 { return left }

// Right edge of the plot.
func (chart) Right() float64 { return width - right }

// Top edge of the plot.
func (chart) Top() float64 { return top }

// Floor is where Y is 0.
func (chart) Floor() float64 { return height - below }

// Center of the plot.
func (chart) Center() float64 { return (left + width - right) / 2 }
