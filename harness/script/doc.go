// Package script adds verbs to test scripts (github.com/rogpeppe/go-internal/testscript): receivers of webhooks, an engine as a
// process that can be killed, and HTTP requests. It knows an engine only from outside, as a program and over HTTP.
//
//	testscript.Run(t, testscript.Params{Dir: "testdata/script", Cmds: script.Commands(), Setup: script.Setup})
//
// What a script starts ends with it. Flags stand before the other arguments, except where NAME comes first.
//
//	receiver NAME [-listen ADDR] [-tls KIND] [-secret S [-hmac FORM]] [-id WHERE] [-keep N] [-drop-bodies]
//	    starts a receiver and sets $NAME_URL. Without -listen it takes a free port of the loopback. KIND is trusted, self-signed, expired
//	    or wrong-name: then $NAME_CA is a file with the authority's certificate, for SSL_CERT_FILE; the verb http trusts it. FORM is as in
//	    "X-Sig: sha256=hex", WHERE is header:NAME or json:/POINTER (package harness: ParseHMAC, ParseID).
//	secret NAME [-path P] [-hmac FORM] VALUE
//	secret NAME [-path P] [-hmac FORM] -json FILE EXPR
//	    verifies from now on, with VALUE or with the string at EXPR in FILE.
//	reply NAME [-path P] [-for-id ID] [-for-attempt N] [-for-body REGEX] [-times N | -keep] [-delay D] [-hold] [-retry-after D]
//	    [-location URL] [-header K=V]... [-body S] [-pause D] STATUS|hang|reset|truncate|drip|endless
//	    scripts an answer, to all or to the deliveries told by -for: first in, first out, once if neither -times nor -keep is given; 204
//	    when none is left. -pause is what drip waits before each byte.
//	release NAME
//	    lets the answers scripted with -hold so far go.
//	[!] expect NAME [-n N | -exactly N] [-verified] [-within D] [-path P] [-id ID] [-body REGEX] [-header K=REGEX]...
//	    waits until N deliveries that match have come since the receiver began (N is 1, D is 10s, if not given), and prints the body
//	    of the last of them to stdout. -verified demands that every one that matches was verified. -exactly demands that no more
//	    have come by then. With !, none that matches has come so far: prove that none will by expecting a later one first.
//	await-idle NAME [-path P] [-within D] QUIET
//	    waits until nothing has been under way for QUIET. That is no proof that nothing will come.
//	under-way NAME [-path P] [-most] N
//	    fails unless N requests are being answered now. Those that are held, and have been expected, surely are. With -most, N is how
//	    many have been at once at the most.
//	account NAME [-path P] [-expect FILE [-in-order]] [-no-duplicates]
//	    prints the receiver's account to stdout; fails if a check failed, an id of FILE (one a line) did not come, or, when asked,
//	    one came out of the file's order, or again after a 2xx.
//
//	[!] engine start [-name E] [-data DIR] [-listen ADDR] [-within D] [-- FLAG...]
//	    runs "posthorn serve --data DIR --listen ADDR --dev FLAG..." ($WORK/data, 127.0.0.1:0) with the script's environment, waits
//	    until /readyz says 200, and sets $ENGINE_URL and $POSTHORN_SERVER, and $E_URL when named. The program is $POSTHORN_BIN, or
//	    posthorn on $PATH, where testscript.Main puts it. With !, it must exit, not with 0; its output is then in stdout and stderr.
//	engine kill [-name E]
//	    SIGKILL, and waits.
//	engine stop [-name E] [-within D]
//	    SIGTERM; it must exit with 0 in time (D is 20s if not given).
//	engine restart [-name E] [-kill]
//	    stops (or kills) it if it runs and starts it again as it was started; the port may be another one.
//	engine log [-name E]
//	    prints what it wrote so far to stdout and stderr, all its lives together.
//
//	http [-H K:V]... [-d BODY | -f FILE | -e FILE] METHOD PATH|URL STATUS
//	    makes a request and prints the answer's body to stdout and its headers to stderr. A path is one of $ENGINE_URL. STATUS is
//	    a number or like 2xx. -e sends the file with its $VARIABLES replaced. Redirects are not followed.
//	[!] json [-f FILE] EXPR [is VALUE | matches REGEX | length N | as VAR]
//	    looks into the JSON that the last verb or command printed to stdout, or into FILE: EXPR is there, with that value; or its
//	    value is put into $VAR. Stdout stays as it is.
//	await-http [-within D] [-H K:V]... METHOD PATH|URL EXPR [is VALUE | matches REGEX | length N]
//	    repeats the request until the JSON of the answer is so, then prints the body to stdout (D is 10s if not given).
//
// EXPR is a path of members and indexes, as in data.0.status; "." is the whole. A value that is not a string is compared as JSON
// without spaces. Durations are as Go writes them: 50ms, 10s.
package script
