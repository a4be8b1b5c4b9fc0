package engine_test

import (
	"hash/fnv"
	"math/rand/v2"
	"net/http"
	"time"

	"posthorn/ports"
	"posthorn/ports/portstest"
)

// An answer is what a receiver says to one attempt: model and caller draw the same one from the seed, the call and the attempt.
type answer struct {
	status     int
	class      ports.Class
	text       string
	after      time.Duration
	retryAfter time.Duration // 0 for none
	body       string
}

// answers are drawn from, some more often than others.
var answers = []answer{
	{status: http.StatusOK},
	{status: http.StatusOK},
	{status: http.StatusOK},
	{status: http.StatusOK, body: "thank you"},
	{status: http.StatusAccepted},
	{status: http.StatusNoContent},
	{status: http.StatusInternalServerError, class: ports.ClassStatus, text: "broken", body: "stack trace"},
	{status: http.StatusInternalServerError, class: ports.ClassStatus, text: "broken"},
	{status: http.StatusBadRequest, class: ports.ClassStatus, text: "not understood"},
	{status: http.StatusServiceUnavailable, class: ports.ClassStatus, text: "busy", retryAfter: 30 * time.Second},
	{status: http.StatusTooManyRequests, class: ports.ClassStatus, text: "too many", retryAfter: longRetryAfter},
	{status: http.StatusMovedPermanently, class: ports.ClassRedirect, text: "moved"},
	{class: ports.ClassTimeout, text: "scripted: no answer within the timeout", after: time.Hour},
	{class: ports.ClassReset, text: "connection broken"},
	{class: ports.ClassBlocked, text: "the address is private"},
}

// longRetryAfter is among the waits, and so leaves the attempts in their hours.
const longRetryAfter = 11 * time.Hour

// gone is answered to first attempts alone, and only where no other attempt can be under way: which of two were still made would hang on
// their order.
var gone = answer{status: http.StatusGone, class: ports.ClassStatus, text: "gone"}

// answerTo draws the answer to an attempt of a call. Those to webhooks with messages of their own take long enough for a late command.
func answerTo(seed uint64, call, hook string, attempt int) answer {
	h := fnv.New64a()
	_, _ = h.Write([]byte(call)) // never fails
	random := rand.New(rand.NewPCG(seed, h.Sum64()+uint64(attempt)))
	a := answers[random.IntN(len(answers))]
	if a.after == 0 {
		a.after = time.Duration(10+random.IntN(900)) * time.Millisecond
	}
	if random.IntN(8) == 0 {
		a.after += time.Second // a slow answer
	}
	if hook[0] == 'f' && attempt == 1 {
		if random.IntN(4) == 0 {
			a = gone
		}
		a.after = max(a.after, 2*time.Second)
	}
	return a
}

func (a answer) reply() portstest.ScriptedReply {
	r := portstest.ScriptedReply{After: a.after, Reply: ports.Reply{Status: a.status, Class: a.class, Error: a.text, Body: []byte(a.body)}}
	switch {
	case a.retryAfter > time.Hour: // as a date
		r.Reply.RetryAfter = time.Now().Add(a.after + a.retryAfter + time.Second).UTC().Format(http.TimeFormat)
	case a.retryAfter > 0:
		r.Reply.RetryAfter = "30"
	}
	return r
}

func (a answer) ok() bool { return a.class == ports.ClassOK }
