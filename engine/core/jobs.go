package core

import "time"

// A Job is work that is too much for one commit. It lies in the rows until it is done, so that a crash only delays it, and is
// done in steps of at most StepCalls calls behind live traffic.
type Job struct {
	// Name is the job's key.
	Name string `cbor:"-"`
	// Plan asks for the calls of a message that has more webhooks than one commit plans.
	Plan *PlanJob `cbor:"50,keyasint,omitempty"`
	// Cancel asks to end the calls that were open when a webhook was disabled or deleted.
	Cancel *CancelJob `cbor:"51,keyasint,omitempty"`
	// Erase asks to erase what calls have kept of a message or a resource.
	Erase *EraseJob `cbor:"121,keyasint,omitempty"`
	// Reseal asks to seal secrets and headers under the newest master key.
	Reseal *ResealJob `cbor:"112,keyasint,omitempty"`
}

func (j *Job) unpack(parts []string) bool {
	if len(parts) != 1 {
		return false
	}
	j.Name = parts[0]
	return true
}

// A PlanJob holds what is left of a plan.
type PlanJob struct {
	MessageRef
	CreatedAt Stamp    `cbor:"12,keyasint,omitempty"`
	Webhooks  []string `cbor:"38,keyasint"`
	Reason    Reason   `cbor:"31,keyasint,omitempty"` // why the calls are skipped, empty for calls to make
}

// A CancelJob names the calls of a webhook that were requested before event Before.
type CancelJob struct {
	Company string `cbor:"1,keyasint,omitempty"`
	Webhook string `cbor:"4,keyasint,omitempty"`
	Before  uint64 `cbor:"52,keyasint,omitempty"`
	Reason  Reason `cbor:"31,keyasint,omitempty"`
}

// StepCalls is how many calls one step of a job requests or ends at the most: a short turn, so that commands that come meanwhile do not
// wait long for it.
const StepCalls = 64

func (s *State) foldPlan(seq uint64, at time.Time, e CallsPlanned) error {
	for part := 0; part*StepCalls < len(e.Webhooks); part++ {
		name := JobName(seq, part)
		chunk := e.Webhooks[part*StepCalls : min(len(e.Webhooks), (part+1)*StepCalls)]
		if err := set(s, JobKey(name), func(j *Job) {
			*j = Job{Name: name, Plan: &PlanJob{MessageRef: e.MessageRef, CreatedAt: StampOf(at), Webhooks: chunk, Reason: e.Reason}}
		}); err != nil {
			return err
		}
	}
	return nil
}

func (s *State) beginCancelJob(seq uint64, company, webhook string, reason Reason) error {
	name := JobName(seq, 0)
	return set(s, JobKey(name), func(j *Job) {
		*j = Job{Name: name, Cancel: &CancelJob{Company: company, Webhook: webhook, Before: seq, Reason: reason}}
	})
}

// ContinuePlan requests the calls of one chunk and ends the job. The webhooks were matched when the message was accepted; one that
// has been deleted or disabled since gets a call that says so.
func ContinuePlan(s *State, in Inputs, now time.Time, name string) (Decision, error) {
	job, err := load[Job](s, JobKey(name))
	if err != nil || job == nil || job.Plan == nil {
		return Decision{}, err
	}
	d := Decision{}
	for _, id := range job.Plan.Webhooks {
		row, err := load[webhookRow](s, WebhookKey(job.Plan.Company, id))
		if err != nil {
			return Decision{}, err
		}
		if row == nil {
			return Decision{}, damaged("plan names webhook", id)
		}
		d.continuePlan(in, now, job.Plan, row)
	}
	for i := range d.Events {
		if e, ok := d.Events[i].(CallRequested); ok {
			e.Planned = true
			d.Events[i] = e
		}
	}
	d.tell(JobEnded{Job: name})
	return d, nil
}

func (d *Decision) continuePlan(in Inputs, now time.Time, plan *PlanJob, row *webhookRow) {
	m, createdAt := plan.MessageRef, plan.CreatedAt.Time()
	switch {
	case row.Deleted:
		call := in.ID(PrefixCall)
		d.tell(
			CallRequested{MessageRef: m, Call: call, Webhook: row.ID, URL: row.URL, CreatedAt: plan.CreatedAt},
			CallCancelled{CallEnded{Call: call, Company: m.Company, Reason: WebhookIsDeleted}},
		)
	case plan.Reason != "":
		d.skip(in, createdAt, m, row.Webhook, plan.Reason)
	default:
		d.request(in, createdAt, now, m, row.Webhook)
	}
}

// CancelCalls ends those of the named calls that are still open, and the job with the last of them.
func CancelCalls(s *State, name string, calls []Due, last bool) (Decision, error) {
	job, err := load[Job](s, JobKey(name))
	if err != nil || job == nil || job.Cancel == nil {
		return Decision{}, err
	}
	d := Decision{}
	for _, due := range calls {
		row, err := load[callRow](s, CallKey(due.Company, due.Call))
		if err != nil {
			return Decision{}, err
		}
		if row != nil && row.State.Open() {
			d.tell(CallCancelled{CallEnded{Call: due.Call, Company: due.Company, Reason: job.Cancel.Reason}})
		}
	}
	if last {
		d.tell(JobEnded{Job: name})
	}
	return d, nil
}
