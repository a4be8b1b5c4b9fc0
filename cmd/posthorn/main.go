// Command posthorn is the engine as a program, and the client of one that runs.
//
// Each verb has a file of its own: serve.go runs the engine, dispatch.go makes calls for engines elsewhere, demo.go shows it, listen.go is a
// receiver to try it with, log.go reads and checks the log, and the rest speak to a running engine over HTTP. main.go puts them
// together, work.go has what serve and dispatch share, transports.go maps a URL to a transport, settings.go says where settings come
// from, exit.go how they end.
//
// Read next: serve.go, and package posthorn for the same engine inside another program.
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
)

// version is stamped by the linker: -X main.version=v1.2.3.
var version = "dev"

func main() { os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }

// commandLine is all that can be asked for. The comments of kong are the texts of --help.
type commandLine struct {
	ConfigFile string `name:"config" env:"POSTHORN_CONFIG" help:"YAML file of settings, named as the flags are. Flags and environment go before it." placeholder:"FILE" type:"path"` //nolint:lll // a tag

	Serve       serveCmd       `cmd:"" help:"Run the engine and its HTTP API until SIGTERM or Ctrl-C."`
	Dispatch    dispatchCmd    `cmd:"" help:"Make calls for engines that run elsewhere, over a broker, until SIGTERM or Ctrl-C."`
	Demo        demoCmd        `cmd:"" help:"Show the whole way of a call in a temporary directory: webhook, candidate, call, history, retry."`
	Listen      listenCmd      `cmd:"" help:"Receive: print and verify what arrives until Ctrl-C."`
	Load        loadCmd        `cmd:"" help:"Put an engine, or another sender of webhooks, under load, and judge what arrives."`
	Signature   signatureCmd   `cmd:"" help:"Signatures: make and check them, for a receiver that you build."`
	Webhook     webhookCmd     `cmd:"" help:"Webhooks: who wants to hear of what."`
	Candidate   candidateCmd   `cmd:"" help:"Candidates: the sample resource."`
	Message     messageCmd     `cmd:"" help:"Messages: anything else to tell."`
	History     historyCmd     `cmd:"" help:"Show a company's calls, newest first."`
	Call        callCmd        `cmd:"" help:"Calls: look closer, retry, cancel."`
	Undelivered undeliveredCmd `cmd:"" help:"Tell what was not delivered, why, and what to do: counts, then rows."`
	Replay      replayCmd      `cmd:"" help:"Send a part of the history again: start, list, show, pause, resume, cancel."`
	Log         logCmd         `cmd:"" help:"The log of events: tail, verify, rebuild."`
	Store       storeCmd       `cmd:"" help:"The store of a stopped engine: compact."`
	Backup      backupCmd      `cmd:"" help:"Back everything up into a new file, while the engine runs: in full, or what came since another backup."`
	Restore     restoreCmd     `cmd:"" help:"Put a backup, and those made since, back into an empty directory."`
	Key         keyCmd         `cmd:"" help:"API keys: who may use the engine, and for what."`
	Health      healthCmd      `cmd:"" help:"Ask whether an engine takes commands."`
	Config      configCmd      `cmd:"" help:"Print the settings in force and where each is from."`
	Completion  completionCmd  `cmd:"" help:"Print a script that completes words in a shell."`
	Complete    completeCmd    `cmd:"" help:"Print what could complete the last word." hidden:""`
	Version     versionCmd     `cmd:"" help:"Print the version."`
}

// A program is what a verb acts on, in place of the process's own.
type program struct {
	// ctx ends with the first SIGINT or SIGTERM; the second ends the process.
	ctx            context.Context
	stdin          io.Reader
	stdout, stderr io.Writer
	kong           *kong.Context
	settings       *settings
}

// run is the program but for the end of the process: it returns the exit code.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	// A closed stdout is an error of a write, so that what was begun is also ended, and a closed stderr does not end a server.
	signal.Ignore(syscall.SIGPIPE)
	p := &program{ctx: ctx, stdin: stdin, stdout: stdout, stderr: stderr, settings: newSettings()}
	return p.report(p.do(args))
}

func (p *program) do(args []string) error {
	helped := false
	parser, err := newParser(p, func(int) { helped = true })
	if err != nil {
		return err
	}
	parsed, err := parser.Parse(args)
	switch {
	case helped:
		return nil
	case err != nil:
		return usageError(err)
	}
	p.kong = parsed
	return parsed.Run(p)
}

// newParser builds the command line. exit is called for --help, and must not end the process.
func newParser(p *program, exit func(int)) (*kong.Kong, error) {
	return kong.New(new(commandLine),
		kong.Name("posthorn"),
		kong.Description("Stores events, and calls the webhooks that asked to hear of them until each call has ended."),
		kong.Writers(p.stdout, p.stderr), kong.Exit(exit), kong.Resolvers(p.settings),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.Vars{"version": version},
	)
}
