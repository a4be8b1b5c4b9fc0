package core

// An undelivered row says that a call ended without success. Success that comes late removes it, and so does a retry, for from then on the new
// call stands for the old one: what is undelivered is a scan of few rows, however long the history.
type undelivered struct{ company, call string }

// Key of the row.
func (u undelivered) Key() []byte { return UndeliveredKey(u.company, u.call) }

func (undelivered) value() []byte { return []byte{} } // all is in the key

// foldUndelivered notes the end of a call, which had ended before where before is not open.
func (s *State) foldUndelivered(company, call string, before, now CallState) error {
	switch {
	case now != Succeeded:
		s.mark(undelivered{company, call})
	case !before.Open():
		return s.drop(UndeliveredKey(company, call))
	}
	return nil
}

// ParseUndelivered reads the key of the row of a call that ended without success.
func ParseUndelivered(k []byte) (company, call string, err error) {
	parts := keyParts(k)
	if len(parts) != 2 {
		return "", "", damaged("row of an undelivered call", string(k))
	}
	return parts[0], parts[1], nil
}

// CheckEventType validates the event types that a query asks for, as a webhook does: a name, a prefix such as invoice.*, or *.
func CheckEventType(asked string) error {
	var p problems
	checkEventTypes(&p, []string{asked})
	for i := range p {
		p[i].Field = "eventType" // a query asks for one
	}
	return p.err()
}
