package harness

import "context"

// expected is what a scope was told to expect. The receiver's mutex guards it.
type expected struct {
	ids     []string
	inOrder bool
}

// Expect says which message ids are to come, each of them, in any order; [NewReceiver] fails the test when one of them has not come by
// its end, or came again after a 2xx. Calls add up. Account compares with them when it is given no ids.
func (s *scope) Expect(ids ...string) { s.expect(false, ids) }

// ExpectInOrder is Expect for messages whose first deliveries are to come in this order, too. It holds for all that is expected.
func (s *scope) ExpectInOrder(ids ...string) { s.expect(true, ids) }

func (s *scope) expect(inOrder bool, ids []string) {
	s.r.mu.Lock()
	defer s.r.mu.Unlock()
	s.expected.ids = append(s.expected.ids, ids...)
	s.expected.inOrder = s.expected.inOrder || inOrder
}

// AwaitExpected is Await for all that is expected at the time of the call.
func (s *scope) AwaitExpected(ctx context.Context) error {
	s.r.mu.Lock()
	ids := append([]string(nil), s.expected.ids...)
	s.r.mu.Unlock()
	return s.AwaitAll(ctx, ids...)
}
