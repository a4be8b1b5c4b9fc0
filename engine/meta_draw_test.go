package engine_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// An author draws a list. It knows only what it has written so far; what becomes of it is the model's and the engine's to say.
type author struct {
	*rand.Rand
	at         int // cells since the start
	counts     map[string]int
	hooks      []made
	candidates []made
	messages   []made
	keyed      []keyedCommand
	touched    map[string]bool // what the step under way has touched, so that its commands commute
}

type made struct {
	company, tag string
	seed         bool
	types        []string // of a webhook, at first
	eventType    string   // of a message
}

type keyedCommand struct {
	command

	at int
}

func draw(seed uint64) list {
	a := &author{Rand: rand.New(rand.NewPCG(seed, 0)), counts: map[string]int{}}
	l := list{seed: seed, jitter: float64(a.IntN(10)) / 10}
	steps := 8 + a.IntN(10)
	for n := range steps {
		a.touched = map[string]bool{}
		s := step{number: n, cells: []int{1, 1, 1, 2, 5}[a.IntN(5)]}
		if n == 0 {
			s.cells, s.batches = 0, [][]command{a.first()}
		}
		a.at += s.cells
		a.fill(&s)
		l.steps = append(l.steps, s)
	}
	return l
}

// first registers enough for something to happen.
func (a *author) first() (out []command) {
	for _, company := range []string{"a", "b"} {
		out = append(out, a.register(company, "w"), a.register(company, "w"), a.register(company, "f"))
	}
	return slices.DeleteFunc(out, func(c command) bool { return c.seed })
}

// fill draws a step: changes of webhooks first, then what is told, so that no webhook changes under attempts; or one message whose
// attempts are under way when a second later its call or its webhook ends.
func (a *author) fill(s *step) {
	if f, ok := a.pick(a.hooks, "f"); ok && a.IntN(4) == 0 {
		m := a.publish(f.company)
		m.tag, m.eventType = a.next("s"), "solo."+f.tag
		a.told(f.company, m.tag, m.eventType)
		s.batches = append(s.batches, []command{m})
		late := command{verb: []string{"cancel", "cancel", "disable", "delete"}[a.IntN(4)], company: f.company, tag: f.tag}
		if late.verb == "cancel" {
			late.message = m.tag
		}
		s.late = &late
		return
	}
	a.add(s, a.change)
	if w, ok := a.pick(a.hooks, "w"); ok && a.IntN(3) == 0 && a.touch(w.tag) {
		s.batches = append(s.batches, a.rush(w))
	}
	a.add(s, a.tell)
	a.add(s, a.tell)
}

// add draws a batch of one kind.
func (a *author) add(s *step, one func() (command, bool)) {
	var batch []command
	for range a.IntN(10) {
		if c, ok := one(); ok {
			batch = append(batch, c)
		}
	}
	if len(batch) > 0 {
		s.batches = append(s.batches, batch)
	}
}

// rush ends a webhook's backlog and goes on before that is done: what comes after must not be ended too.
func (a *author) rush(w made) []command {
	m := a.publish(w.company)
	a.told(m.company, m.tag, m.eventType)
	return []command{
		{verb: "disable", company: w.company, tag: w.tag, rush: true},
		{verb: "enable", company: w.company, tag: w.tag, rush: true},
		m,
	}
}

// touch says whether nothing of the step has touched it before.
func (a *author) touch(what string) bool {
	if a.touched[what] {
		return false
	}
	a.touched[what] = true
	return true
}

func (a *author) next(prefix string) string {
	a.counts[prefix]++
	return fmt.Sprint(prefix, a.counts[prefix])
}

func (a *author) company() string { return []string{"a", "a", "b"}[a.IntN(3)] }

func (a *author) pick(from []made, prefix string) (made, bool) {
	return a.pickWhere(from, func(m made) bool { return strings.HasPrefix(m.tag, prefix) })
}

func (a *author) pickWhere(from []made, fits func(made) bool) (made, bool) {
	var fit []made
	for _, m := range from {
		if fits(m) {
			fit = append(fit, m)
		}
	}
	if len(fit) == 0 {
		return made{}, false
	}
	return fit[a.IntN(len(fit))], true
}

// change draws a change of a webhook that no other of the step touches.
func (a *author) change() (command, bool) {
	verb := []string{"register", "update", "update", "disable", "enable", "enable", "enable", "delete", "rotate"}[a.IntN(9)]
	if verb == "register" {
		if again, ok := a.again("register", 4); ok {
			return again, a.touch("key "+again.key) && a.touch(again.tag) && (!again.seed || a.touch("seeds"))
		}
		c := a.register(a.company(), []string{"w", "w", "w", "f"}[a.IntN(4)])
		return a.keep(c), !c.seed || a.touch("seeds")
	}
	w, ok := a.pick(a.hooks, "")
	if !ok || !a.touch(w.tag) || w.seed && !a.touch("seeds") {
		return command{}, false
	}
	c := command{verb: verb, company: w.company, tag: w.tag}
	switch a.IntN(20) {
	case 0:
		c.company = "c" // not its own
	case 1:
		c.tag = "w99" // there is none
	}
	switch verb {
	case "update":
		a.settle(&c, w)
	case "delete":
		c.copies = 1 + a.IntN(3) // one is done, the others find nothing
	}
	return c, true
}

// settle draws the settings that an update changes.
func (a *author) settle(c *command, w made) {
	if a.IntN(2) == 0 {
		c.text = a.next("v")
	}
	if a.IntN(2) == 0 && !w.seed {
		c.schedule = a.schedule()
	}
	if a.IntN(2) == 0 && w.tag[0] == 'w' && !w.seed {
		c.types = a.types()
	}
	c.bad = a.IntN(12) == 0
}

func (a *author) register(company, prefix string) command {
	c := command{verb: "register", company: company, tag: a.next(prefix), types: a.types(), schedule: a.schedule(), copies: 1}
	switch {
	case prefix == "f":
		c.types = []string{"solo." + c.tag}
	case a.IntN(4) == 0:
		c.seed, c.schedule, c.types = true, nil, []string{[]string{"candidate.created", "invoice.paid"}[a.IntN(2)]}
	case a.IntN(6) == 0:
		c.schedule = nil
	}
	c.bad = a.IntN(15) == 0
	a.touched[c.tag] = true
	a.hooks = append(a.hooks, made{company: company, tag: c.tag, seed: c.seed, types: c.types})
	return c
}

func (a *author) types() []string {
	all := []string{"invoice.paid", "invoice.*", "order.new", "candidate.*", "candidate.created", "*"}
	a.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all[:1+a.IntN(2)]
}

func (a *author) schedule() []time.Duration {
	out := []time.Duration{}
	for range a.IntN(3) {
		out = append(out, waits[a.IntN(len(waits))])
	}
	return out
}

// again draws a command that was sent with its key before, at most so many cells ago.
func (a *author) again(verb string, cells int) (command, bool) {
	if len(a.keyed) == 0 || a.IntN(4) > 0 {
		return command{}, false
	}
	k := a.keyed[a.IntN(len(a.keyed))]
	return k.command, k.verb == verb && a.at-k.at <= cells && (k.resource == "" || a.touch(k.resource))
}

// keep gives a command a key, now and then, and sends it more than once with it. A key may have been another command's.
func (a *author) keep(c command) command {
	if a.IntN(3) > 0 {
		return c
	}
	c.copies = 1 + a.IntN(4)
	c.key = a.next("k")
	if len(a.keyed) > 0 && a.IntN(8) == 0 {
		if old := a.keyed[a.IntN(len(a.keyed))]; !a.touched["key "+old.key] {
			c.key = old.key
		}
	}
	a.touched["key "+c.key] = true
	a.keyed = append(a.keyed, keyedCommand{c, a.at})
	return c
}
