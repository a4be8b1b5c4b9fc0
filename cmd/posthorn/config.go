package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"posthorn/engine"
)

// configCmd takes every setting, so that what it prints is what the other verbs would have.
type configCmd struct {
	serveFlags
	dispatchFlags
	serverFlag

	Company string `env:"POSTHORN_COMPANY" help:"The company that client verbs act for." placeholder:"ID"`
	JSON    bool   `help:"Print JSON: one document." name:"json"`
}

// A setting is one with its value and where that is from.
type setting struct {
	Name  string `json:"name"`
	Value string `json:"value"`
	From  string `json:"from"`
}

// Run prints the settings in force. Secrets are masked.
func (c *configCmd) Run(p *program) error {
	var all []setting
	for _, group := range p.kong.Selected().AllFlags(true) {
		for _, flag := range group {
			if len(flag.Envs) > 0 {
				all = append(all, setting{flag.Name, p.shown(flag), p.source(flag)})
			}
		}
	}
	return p.print(c.JSON, all, func(t table) {
		t.row("SETTING", "VALUE", "FROM")
		for _, s := range all {
			t.row(s.Name, s.Value, s.From)
		}
	})
}

// shown is a flag's value; of a secret, only that there is one, and a URL without its password.
func (p *program) shown(flag *kong.Flag) string {
	var text string
	switch v := p.kong.FlagValue(flag).(type) {
	case []string:
		text = strings.Join(v, ",")
	case time.Duration:
		text = engine.Duration(v).String()
	case []time.Duration:
		text = durations(v, ",")
	default:
		text = fmt.Sprint(v)
	}
	if flag.Tag.Has("secret") && text != "" {
		return "********"
	}
	if flag.Tag.Has("url") {
		return withoutPassword(text)
	}
	return text
}

func (p *program) source(flag *kong.Flag) string {
	inFile := false
	for _, at := range p.kong.Path {
		if at.Flag != flag {
			continue
		}
		if !at.Resolved {
			return "flag --" + flag.Name
		}
		inFile = true
	}
	switch env := fromEnv(flag); {
	case env != "":
		return "environment " + env
	case inFile:
		return "file " + p.settings.path
	default:
		return "default"
	}
}
