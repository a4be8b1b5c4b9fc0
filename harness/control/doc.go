// Package control offers a receiver over HTTP with JSON, to tests that are not in Go.
//
//	GET  /deliveries?path=&id=&after=     those that are kept, oldest first; after is the number of the last one known
//	GET  /await?count=&id=&path=&timeout= the same, once count deliveries have come (of one id, or one of each of several); 504 if they
//	                                      do not come in time (count is 1 and timeout 10s if not given)
//	GET  /account?path=&expect=           the sums, compared with expected ids (expect may stand many times, in the order of sending)
//	PUT  /script                          {"path": "/hook", "replies": [{"status": 503, "retryAfter": "3s", "times": 2}]}: the answers to
//	                                      come, in place of those scripted before; see [Reply]. Without a path, those of all paths
//	POST /endpoints                       {"path": "/hook", "secret": "whsec_...", "hmac": "X-Sig: sha256=hex", "replies": []}: a path with
//	                                      its own; answers 201 {"url": ...}. Asked again it changes what is given
//	POST /release                         lets go the answers that were scripted with "hold" so far
//	POST /reset                           forgets what came and what is scripted; secrets stay
//
// Errors are problem details (RFC 9457). docs/testing.md shows it with curl and with pytest.
//
// It is closed to strangers: without a token it answers only requests that name this machine as their host and come from no web page of
// another. It belongs on a loopback address; anywhere else give Options.Token.
//
// Read next: package harness, whose receiver it is.
package control
