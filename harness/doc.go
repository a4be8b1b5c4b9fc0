// Package harness is the outside world of a program that sends webhooks: it receives them, checks them, answers as it is
// told to, and gives an account of what came.
//
// A [Receiver] listens on a port of its own. In a test, [NewReceiver] makes one that closes itself and fails the test when a
// signature was wrong; anywhere else, [Start] does. Point a sender at [Receiver.URL], wait with [Receiver.Await] and its
// sisters, which block on signals and never sleep, then look at [Receiver.Deliveries] and [Receiver.Account]. What it answers
// is scripted with [Receiver.Reply]: first in, first out, 204 when nothing is scripted. [Receiver.Endpoint] gives one path a
// secret, a script and an account of its own.
//
// Signatures are checked by the text of the standards (https://www.standardwebhooks.com for the headers, the "token" member
// for the body), and not with the sender's code. The package needs the standard library only and does not import testing, so
// that it serves senders other than ours and programs other than tests.
//
// Read next: package harness/script has the same as verbs of test scripts.
package harness
