// Package harness is the outside world of a program that sends webhooks: it receives them, checks them, answers as it is
// told to, and gives an account of what came.
//
// A [Receiver] listens on a port of its own, over plain HTTP or TLS. In a test, [NewReceiver] makes one that closes itself and fails
// the test when a signature was wrong, or when what came is not what [Receiver.Expect] said; anywhere else, [Start] does. Point a
// sender at [Receiver.URL], wait with [Receiver.Await] and its sisters, which block on signals and never sleep, then look at
// [Receiver.Deliveries] and [Receiver.Account]. What it answers is scripted with [Receiver.Reply], as a fake peer's answers are: first
// in, first out, to all deliveries or to some, well or with a [Fault]; 204 when nothing is scripted. [Receiver.Endpoint] gives one path
// a secret, a script, expectations and an account of its own.
//
// That a message is never sent is proved by a later one that is: the sender goes on, the test waits for what comes after it, and then
// looks. See the example of AwaitID.
//
// Signatures are checked by the text of the standards (https://www.standardwebhooks.com for the headers, the "token" member
// for the body, [HMAC] for senders with a header of their own), and not with the sender's code. The package needs the standard
// library only and does not import testing, so that it serves senders other than ours and programs other than tests.
//
// Read next: docs/testing.md shows it in five minutes, package harness/script has the same as verbs of test scripts, package
// harness/control as a JSON API, package harness/load puts a sender under load.
package harness
