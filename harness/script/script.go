package script

import (
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"posthorn/harness"
)

// defaultWithin bounds the waits of a script that name no bound, unless the variable Within says another.
const defaultWithin = 10 * time.Second

// Within is the variable of a script's environment that says how long it waits where it names no bound, such as 1m. It is read by [Setup].
const Within = "SCRIPT_WITHIN"

// A session is what one script has started. Only the goroutine that runs the script uses it.
type session struct {
	receivers map[string]*receiver
	engines   map[string]*engine
	within    time.Duration // bounds the waits that name no bound
	client    *http.Client
	trusted   *x509.CertPool // the authorities of the receivers so far
}

type receiver struct {
	*harness.Receiver
	hold chan struct{} // what the replies with -hold wait for; closed and made anew by release
}

type sessionKey struct{}

// Commands are the verbs, for testscript.Params.Cmds. They need [Setup]. The map is the caller's, who may add to it.
func Commands() map[string]func(ts *testscript.TestScript, neg bool, args []string) {
	commands := map[string]func(ts *testscript.TestScript, neg bool, args []string){}
	for name, v := range verbs() {
		commands[name] = func(ts *testscript.TestScript, neg bool, args []string) {
			s, ok := ts.Value(sessionKey{}).(*session)
			switch {
			case !ok:
				ts.Fatalf("%s: this script has no session; set testscript.Params.Setup to script.Setup", name)
			case neg && !v.negatable:
				ts.Fatalf("%s: ! is not supported", name)
			}
			if err := v.run(s, ts, neg, args); err != nil {
				ts.Fatalf("%s: %v", name, err)
			}
		}
	}
	return commands
}

// A verb returns an error to fail the script.
type verb struct {
	negatable bool
	run       func(s *session, ts *testscript.TestScript, neg bool, args []string) error
}

func verbs() map[string]verb {
	return map[string]verb{
		"receiver":   {false, (*session).receive},
		"secret":     {false, (*session).setSecret},
		"reply":      {false, (*session).reply},
		"release":    {false, (*session).release},
		"expect":     {true, (*session).expect},
		"account":    {false, (*session).account},
		"await-idle": {false, (*session).awaitIdle},
		"under-way":  {false, (*session).underWay},
		"engine":     {true, (*session).engine},
		"http":       {false, (*session).http},
		"json":       {true, (*session).json},
		"await-http": {false, (*session).awaitHTTP},
	}
}

// Setup prepares a script, for testscript.Params.Setup; call it from your own Setup if you have one. What the script starts ends
// when the script does.
func Setup(env *testscript.Env) error {
	bound := defaultWithin
	if text := env.Getenv(Within); text != "" {
		var err error
		if bound, err = time.ParseDuration(text); err != nil {
			return fmt.Errorf("%s %q is refused: %w; write it like 30s", Within, text, err)
		}
	}
	s := &session{
		within:    bound,
		receivers: map[string]*receiver{},
		engines:   map[string]*engine{},
		trusted:   x509.NewCertPool(),
		client: &http.Client{
			Transport:     &http.Transport{},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
	env.Values[sessionKey{}] = s
	env.Defer(s.close)
	return nil
}

// close ends the engines before the receivers, so that no engine sees its receivers go.
func (s *session) close() {
	for _, e := range s.engines {
		e.kill()
	}
	s.client.CloseIdleConnections()
	for _, r := range s.receivers {
		_ = r.Close()
	}
}

// parse reads flags and checks how many arguments are left.
func parse(fs *flag.FlagSet, args []string, atLeast, atMost int) error {
	fs.SetOutput(io.Discard)
	if err := fs.Parse(args); err != nil {
		return err
	}
	if n := fs.NArg(); n < atLeast || n > atMost {
		return errors.New("wrong number of arguments; see the package's documentation")
	}
	return nil
}

func newFlags() *flag.FlagSet { return flag.NewFlagSet("", flag.ContinueOnError) }

// pairs is a flag that may be given many times.
type pairs struct {
	separator string
	all       [][2]string
}

// String is part of flag.Value.
func (p *pairs) String() string { return "" }

// Set is part of flag.Value.
func (p *pairs) Set(text string) error {
	key, value, ok := strings.Cut(text, p.separator)
	if !ok {
		return errors.New("want KEY" + p.separator + "VALUE")
	}
	p.all = append(p.all, [2]string{key, strings.TrimSpace(value)})
	return nil
}

// expand replaces $VARIABLES as the script's own lines do.
func expand(ts *testscript.TestScript, text string) string { return os.Expand(text, ts.Getenv) }
