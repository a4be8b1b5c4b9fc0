package core

import (
	"errors"
	"strings"

	"posthorn/ports"
)

// An EraseJob asks to erase what calls have kept of a message or a resource, and to cancel those that are open.
type EraseJob struct {
	Company  string       `cbor:"1,keyasint,omitempty"`
	Message  string       `cbor:"2,keyasint,omitempty"`
	Resource *ResourceRef `cbor:"6,keyasint,omitempty"` // nil where a message is erased
}

// StepVersions is how many versions of a resource are erased at once.
const StepVersions = 1024

// erasedRow says that a message's content was erased, and by which event.
type erasedRow struct {
	Seqs []uint64 `cbor:"18,keyasint,omitempty"`
	At   Stamp    `cbor:"58,keyasint,omitempty"`
}

func (s *State) foldErased(r Recorded, e PayloadErased) error {
	if e.Resource == nil {
		*create[erasedRow](s, ErasedKey(e.Company, e.Message)) = erasedRow{Seqs: []uint64{r.Seq}, At: StampOf(r.At)}
	} else if err := set(s, ResourceRowKey(e.Company, e.Resource.Type, e.Resource.ID), func(row *resourceRow) {
		row.Deleted, row.Erased, row.UpdatedAt = true, true, StampOf(r.At)
	}); err != nil {
		return err
	}
	name := JobName(r.Seq, 0)
	return set(s, JobKey(name), func(j *Job) {
		*j = Job{Name: name, Erase: &EraseJob{Company: e.Company, Message: e.Message, Resource: e.Resource}}
	})
}

// EraseMessage forgets a message's data. A message that has none of its own is a conflict, for it tells of a resource, which is erased whole.
// Repeated, it does nothing.
func EraseMessage(s *State, m MessageRef) (Decision, error) {
	if !m.HasData {
		return Decision{}, conflict("message %s has no data of its own, it tells of %s %s; erase that", Show(m.Message), m.Resource.Type, Show(m.Resource.ID))
	}
	if gone, err := s.has(ErasedKey(m.Company, m.Message)); err != nil || gone {
		return Decision{}, err
	}
	return Decision{Events: []Event{PayloadErased{Company: m.Company, Message: m.Message}}, Forget: [][]byte{DataKey(m.Message)}}, nil
}

// EraseResource forgets the newest versions of a resource, which ends as deleted; nobody is told. It may have been deleted before.
// Repeated, it does nothing.
func EraseResource(s *State, company, kind, id string) (Decision, error) {
	row, err := load[resourceRow](s, ResourceRowKey(company, kind, id))
	switch {
	case err != nil:
		return Decision{}, err
	case row == nil:
		return Decision{}, notFound(kind, id)
	case row.Erased:
		return Decision{}, nil
	}
	ref := row.current().ResourceRef
	return Decision{
		Events: []Event{PayloadErased{Company: company, Resource: &ref}}, Forget: VersionKeys(ref, 0),
	}, nil
}

// VersionKeys are the vault items of the newest StepVersions versions of a resource, without the skip newest.
func VersionKeys(newest ResourceRef, skip int) [][]byte {
	var out [][]byte
	for v := newest.Version - skip; v >= 1 && len(out) < StepVersions; v-- {
		out = append(out, ResourceKey(ResourceRef{Type: newest.Type, ID: newest.ID, Version: v}))
	}
	return out
}

// about tells whether a message is what the job erases, or tells of it.
func (j EraseJob) about(message string, ref *ResourceRef) bool {
	if j.Resource == nil {
		return message == j.Message
	}
	return ref != nil && ref.Type == j.Resource.Type && ref.ID == j.Resource.ID
}

// ParseAbout reads the row of a call or of an unmatched message: whether the job is about it.
func (j EraseJob) ParseAbout(pair ports.Pair) (call, message string, ok bool, err error) {
	if from, to := UnmatchedRange(j.Company); string(from) <= string(pair.Key) && string(pair.Key) < string(to) {
		m, err := ParseUnmatched(pair)
		return "", m.Message, j.about(m.Message, m.Resource), err
	}
	c, _, _, err := ParseCall(pair)
	return c.ID, c.Message, j.about(c.Message, c.Resource), err
}

// Rows are the ranges of rows that may be about what is erased: none is older than it is.
func (j EraseJob) Rows() [][2][]byte {
	oldest := j.Message
	if j.Resource != nil {
		oldest = j.Resource.ID
	}
	_, ulid, _ := strings.Cut(oldest, "_")
	ms := ulid[:min(len(ulid), timeDigits)]
	_, calls := CallRange(j.Company)
	_, unmatched := UnmatchedRange(j.Company)
	return [][2][]byte{
		{CallKey(j.Company, PrefixCall+ms), calls},
		{UnmatchedKey(j.Company, PrefixMessage+ms), unmatched},
	}
}

const timeDigits = 10 // of a ULID, its time

// EraseCalls erases what the named calls have kept, cancels those that are open, and ends the job with the last of them. messages are those
// whose data goes too.
func EraseCalls(s *State, name string, calls, messages []string, last bool) (Decision, error) {
	job, err := load[Job](s, JobKey(name))
	if err != nil || job == nil || job.Erase == nil {
		return Decision{}, err
	}
	var d Decision
	for _, id := range calls {
		row, err := load[callRow](s, CallKey(job.Erase.Company, id))
		if err != nil {
			return Decision{}, err
		}
		if row == nil {
			continue
		}
		for _, t := range row.Tries {
			d.Forget = append(d.Forget, ResponseKey(id, t.Attempt, t.Lease, t.Epoch))
		}
		if row.State.Open() {
			d.tell(CallCancelled{CallEnded{Call: id, Company: row.Company, Reason: ErasedPayload}})
		}
	}
	for _, m := range messages {
		d.Forget = append(d.Forget, DataKey(m))
	}
	if last {
		d.tell(JobEnded{Job: name})
	}
	return d, nil
}

// has tells whether there is a marker under a key.
func (s *State) has(k []byte) (bool, error) {
	if c, ok := s.cells[string(k)]; ok {
		return c.row != nil, nil
	}
	_, err := s.read(k)
	if errors.Is(err, ports.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// erased tells whether what a call tells was erased.
func (s *State) erased(c Call) (bool, error) {
	if ref := c.Resource; ref != nil {
		row, err := load[resourceRow](s, ResourceRowKey(c.Company, ref.Type, ref.ID))
		if err != nil || row != nil && row.Erased {
			return err == nil, err
		}
	}
	return s.has(ErasedKey(c.Company, c.Message))
}

// Erased tells whether the content that an event names was erased, going by the rows.
func Erased(read func(key []byte) ([]byte, error), e Event) (bool, error) {
	s := NewState(read)
	switch e := e.(type) {
	case versioned:
		v := e.version()
		return s.erased(Call{Company: v.Company, Resource: &v.ResourceRef})
	case MessagePublished:
		return s.erased(Call{Company: e.Company, Message: e.Message, Resource: e.Resource})
	case CallAttempted:
		row, err := load[callRow](s, CallKey(e.Company, e.Call))
		if err != nil || row == nil {
			return false, err
		}
		return s.erased(row.Call)
	}
	return false, nil
}

// ErasedCall tells whether what a call tells was erased, going by the rows.
func ErasedCall(read func(key []byte) ([]byte, error), c Call) (bool, error) {
	return NewState(read).erased(c)
}
