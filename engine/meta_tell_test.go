package engine_test

import "posthorn/engine/core"

// tell draws a command that makes or ends calls, and commutes with all others of its step that do.
func (a *author) tell() (command, bool) {
	switch n := a.IntN(20); {
	case n < 7:
		if again, ok := a.again("publish", 8); ok {
			return again, a.touch("key " + again.key)
		}
		m := a.publish(a.company())
		a.told(m.company, m.tag, m.eventType)
		return a.keep(m), true
	case n < 8:
		return a.solo()
	case n < 10:
		if again, ok := a.again("create", 8); ok {
			return again, a.touch("key " + again.key)
		}
		c := command{verb: "create", company: a.company(), tag: a.next("c"), bad: a.IntN(12) == 0}
		a.touched[c.tag] = true
		a.candidates = append(a.candidates, made{company: c.company, tag: c.tag})
		a.told(c.company, c.tag+"v1", core.TypeCandidateCreated)
		return a.keep(c), true
	case n < 15:
		return a.edit()
	default:
		return a.byHand()
	}
}

func (a *author) publish(company string) command {
	m := command{
		verb: "publish", company: company, tag: a.next("m"), bad: a.IntN(15) == 0,
		eventType: []string{"invoice.paid", "invoice.sent", "order.new", "nobody.asked"}[a.IntN(4)],
	}
	if c, ok := a.pick(a.candidates, ""); ok && a.IntN(4) == 0 && a.touch(c.tag) {
		m.resource = c.tag
	}
	return m
}

// solo is the one message of the step for a webhook of its own.
func (a *author) solo() (command, bool) {
	f, ok := a.pick(a.hooks, "f")
	if !ok || !a.touch("call of "+f.tag) {
		return command{}, false
	}
	m := command{verb: "publish", company: f.company, tag: a.next("s"), eventType: "solo." + f.tag}
	a.told(m.company, m.tag, m.eventType)
	return m, true
}

// told notes a message, whose calls the steps to come may name.
func (a *author) told(company, tag, eventType string) {
	a.messages = append(a.messages, made{company: company, tag: tag, eventType: eventType})
	a.touched["message "+tag] = true
}

func (a *author) edit() (command, bool) {
	c, ok := a.pick(a.candidates, "")
	if !ok || !a.touch(c.tag) {
		return command{}, false
	}
	e := command{verb: []string{"edit", "apply", "state", "state", "remove"}[a.IntN(5)], company: c.company, tag: c.tag}
	e.text = []string{"x", "y", "z"}[a.IntN(3)]
	if a.IntN(15) == 0 {
		e.text, e.bad = "", e.verb != "remove"
	}
	if e.verb == "remove" {
		e.text = ""
	}
	return e, true
}

// byHand retries or cancels a call of an earlier step, which there may be or not.
func (a *author) byHand() (command, bool) {
	m, ok := a.pickWhere(a.messages, func(m made) bool { return !a.touched["message "+m.tag] })
	if !ok {
		return command{}, false
	}
	w, ok := a.pickWhere(a.hooks, func(w made) bool { return w.company == m.company && (wants(w.types, m.eventType) || a.IntN(9) == 0) })
	if !ok || !a.touch(m.tag+"@"+w.tag) || w.tag[0] == 'f' && !a.touch("call of "+w.tag) {
		return command{}, false
	}
	c := command{verb: []string{"retry", "retry", "cancel"}[a.IntN(3)], company: m.company, tag: w.tag, message: m.tag}
	if c.verb == "cancel" {
		c.copies = 1 + a.IntN(3) // one is done, the others find the call ended
	}
	return c, true
}
