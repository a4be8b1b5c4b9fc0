package main

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
	"gopkg.in/yaml.v3"
)

// settings are the values of the YAML file. kong asks them for each flag that the command line does not give; they stand back where
// the environment gives it. A setting is a flag that has an environment variable; its name in the file is the flag's.
type settings struct {
	path   string
	values map[string]any
	loaded bool
}

func newSettings() *settings { return &settings{} }

// Validate is called by kong before anything is asked. It has no values yet.
func (*settings) Validate(*kong.Application) error { return nil }

// Resolve returns the file's value for a flag, nil where there is none or the environment has one.
func (s *settings) Resolve(ctx *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	if err := s.load(ctx); err != nil {
		return nil, err
	}
	if len(flag.Envs) == 0 || fromEnv(flag) != "" {
		return nil, nil //nolint:nilnil // kong's way to say that there is none
	}
	return s.values[flag.Name], nil
}

// load reads the file that --config or its environment variable names, once, and refuses names that are no settings.
func (s *settings) load(ctx *kong.Context) error {
	if s.loaded {
		return nil
	}
	s.loaded = true
	if s.path = configPath(ctx); s.path == "" {
		return nil
	}
	raw, err := os.ReadFile(s.path)
	if err != nil {
		return refuse("configuration cannot be read: %w; correct --config", err)
	}
	if err := yaml.Unmarshal(raw, &s.values); err != nil {
		return refuse("configuration %s is refused: it is not a YAML mapping, %s; correct it", s.path, oneLine(err.Error()))
	}
	known := settingNames(ctx.Model)
	for name, value := range s.values {
		if !slices.Contains(known, name) {
			return refuse("configuration %s is refused: there is no setting %q; the settings are %s", s.path, name, strings.Join(known, ", "))
		}
		if s.values[name], err = settingText(value); err != nil {
			return refuse("configuration %s is refused: setting %q %w", s.path, name, err)
		}
	}
	return nil
}

// settingText turns a YAML value into what kong parses: the text that a flag would have.
func settingText(value any) (any, error) {
	switch v := value.(type) {
	case string, bool:
		return v, nil
	case int, float64:
		return fmt.Sprint(v), nil
	case []any:
		texts := make([]any, len(v))
		for i, one := range v {
			text, ok := one.(string)
			if !ok {
				return nil, fmt.Errorf("has an item that is not a text: %v; write it in quotes", one)
			}
			texts[i] = text
		}
		return texts, nil
	default:
		return nil, fmt.Errorf("is neither a text, a number, true or false, nor a list; correct it")
	}
}

func configPath(ctx *kong.Context) string {
	for _, at := range ctx.Path {
		if at.Flag != nil && at.Flag.Name == "config" {
			path, _ := ctx.FlagValue(at.Flag).(string)
			return path
		}
	}
	return os.Getenv("POSTHORN_CONFIG")
}

// fromEnv is the environment variable that gives the flag its value, "" if none does.
func fromEnv(flag *kong.Flag) string {
	for _, name := range flag.Envs {
		if _, ok := os.LookupEnv(name); ok {
			return name
		}
	}
	return ""
}

// settingNames lists the flags of all verbs that have an environment variable, but for --config itself.
func settingNames(app *kong.Application) []string {
	var names []string
	_ = kong.Visit(app, func(node kong.Visitable, next kong.Next) error {
		if flag, ok := node.(*kong.Flag); ok && len(flag.Envs) > 0 && flag.Name != "config" {
			names = append(names, flag.Name)
		}
		return next(nil)
	})
	slices.Sort(names)
	return slices.Compact(names)
}
