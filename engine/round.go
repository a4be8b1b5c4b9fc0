package engine

import "container/list"

// A round hands out lanes fairly: company by company, then webhook by webhook, so that neither a company with ten thousand webhooks nor
// a webhook with a long queue gets more than its turn.
type round struct {
	companies *list.List // of *circle
	byCompany map[string]*list.Element
}

type circle struct {
	company string
	lanes   []*lane
}

func newRound() *round {
	return &round{companies: list.New(), byCompany: map[string]*list.Element{}}
}

// join puts a lane at the end of its company's circle; one that stands there already stays where it is.
func (r *round) join(l *lane) {
	if l.queued {
		return
	}
	l.queued = true
	e, ok := r.byCompany[l.company]
	if !ok {
		e = r.companies.PushBack(&circle{company: l.company})
		r.byCompany[l.company] = e
	}
	c := e.Value.(*circle) //nolint:forcetypeassert // the list holds nothing else
	c.lanes = append(c.lanes, l)
}

// next takes the lane whose turn it is out of the round, and moves its company to the end; nil when the round is empty.
func (r *round) next() *lane {
	e := r.companies.Front()
	if e == nil {
		return nil
	}
	c := e.Value.(*circle) //nolint:forcetypeassert // the list holds nothing else
	l := c.lanes[0]
	c.lanes[0] = nil
	c.lanes = c.lanes[1:]
	l.queued = false
	if len(c.lanes) == 0 {
		r.companies.Remove(e)
		delete(r.byCompany, c.company)
	} else {
		r.companies.MoveToBack(e)
	}
	return l
}
