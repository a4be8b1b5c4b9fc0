package main

import (
	"bytes"
	"io"
	"maps"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"
	"gopkg.in/yaml.v3"

	"posthorn"
)

const deployed = "../../deploy"

// A composition is what of a compose file we use. A key that it has not is a mistake, or wants a check here.
type composition struct {
	Name     string               `yaml:"name"`
	Posthorn container            `yaml:"x-posthorn"`
	Services map[string]container `yaml:"services"`
	Volumes  map[string]any       `yaml:"volumes"`
}

type container struct {
	Extends struct {
		File    string `yaml:"file"`
		Service string `yaml:"service"`
	} `yaml:"extends"`
	Image string `yaml:"image"`
	Build struct {
		Context    string `yaml:"context"`
		Dockerfile string `yaml:"dockerfile"`
	} `yaml:"build"`
	Command     []string          `yaml:"command"`
	Environment map[string]string `yaml:"environment"`
	Ports       []string          `yaml:"ports"`
	Volumes     []string          `yaml:"volumes"`
	Deploy      struct {
		Replicas int `yaml:"replicas"`
	} `yaml:"deploy"`
	Restart     string        `yaml:"restart"`
	Grace       time.Duration `yaml:"stop_grace_period"`
	ReadOnly    bool          `yaml:"read_only"`
	Tmpfs       []string      `yaml:"tmpfs"`
	CapDrop     []string      `yaml:"cap_drop"`
	SecurityOpt []string      `yaml:"security_opt"`
}

// TestCompose: what deploy/ starts is what this program takes, over each transport.
func TestCompose(t *testing.T) { //nolint:paralleltest // it sets the environment
	image := imageOf(t)
	for file, broker := range map[string]string{"compose.yaml": "kafka", "compose.sqs.yaml": "elasticmq", "compose.nats.yaml": "nats"} {
		t.Run(file, func(t *testing.T) {
			c := compose(t, file)
			if got := slices.Sorted(maps.Keys(c.Services)); !slices.Equal(got, slices.Sorted(slices.Values([]string{"dispatcher", "engine", broker}))) {
				t.Fatalf("its services are %q", got)
			}
			if n := c.Services["dispatcher"].Deploy.Replicas; n != 3 {
				t.Errorf("it has %d dispatchers, want 3", n)
			}
			if _, version, _ := strings.Cut(c.Services[broker].Image, ":"); version == "" {
				t.Errorf("image %q of the broker has no version", c.Services[broker].Image)
			}
			for name, s := range c.Services {
				s.checkVolumes(t, name, c.Volumes)
			}
			c.Services["engine"].check(t, image, "serve", broker)
			c.Services["dispatcher"].check(t, image, "dispatch", broker)
		})
	}
}

// compose reads a compose file, with what it extends. Of that it may change the environment alone.
func compose(t *testing.T, file string) composition {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(deployed, file))
	if err != nil {
		t.Fatal(err)
	}
	var c composition
	strict := yaml.NewDecoder(bytes.NewReader(text))
	strict.KnownFields(true)
	if err := strict.Decode(&c); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	for name, s := range c.Services {
		if s.Extends.File == "" {
			continue
		}
		base := compose(t, s.Extends.File).Services[s.Extends.Service]
		maps.Copy(base.Environment, s.Environment)
		c.Services[name] = base
	}
	return c
}

func (c container) checkVolumes(t *testing.T, name string, known map[string]any) {
	t.Helper()
	for _, v := range c.Volumes {
		source, _, _ := strings.Cut(v, ":")
		if _, ok := known[source]; !ok {
			t.Errorf("%s has the volume %s, which the file does not name", name, source)
		}
	}
}

// check holds a container of ours against the image and the command line.
func (c container) check(t *testing.T, image dockerfile, verb, broker string) {
	t.Helper()
	if c.Image == "" || filepath.Join(deployed, c.Build.Context, c.Build.Dockerfile) != filepath.Join(deployed, "Dockerfile") {
		t.Errorf("%s has image %q, built from %q", verb, c.Image, c.Build)
	}
	environment := maps.Clone(image.env)
	for name, value := range c.Environment {
		environment[name] = required.ReplaceAllString(value, strings.Repeat("0f", posthornKeyBytes))
	}
	for name, value := range environment {
		t.Setenv(name, value)
	}
	parsed := parse(t, c.Command...)
	if parsed.Command() != verb {
		t.Fatalf("%q is the command %q, want %s", c.Command, parsed.Command(), verb)
	}
	for name := range c.Environment {
		if strings.HasPrefix(name, "POSTHORN_") && !slices.ContainsFunc(parsed.Flags(), func(f *kong.Flag) bool { return slices.Contains(f.Envs, name) }) {
			t.Errorf("%s does not know %s", verb, name)
		}
	}
	if _, err := posthorn.ParseKey(value(t, parsed, "secret-key").(string)); err != nil {
		t.Errorf("%s has no key that can be one: %v", verb, err)
	}
	if grace := value(t, parsed, "grace").(time.Duration); c.Grace < grace+10*time.Second {
		t.Errorf("%s is killed after %s, and takes up to %s", verb, c.Grace, grace+10*time.Second)
	}
	transport := value(t, parsed, "transport").(string)
	if u, err := url.Parse(transport); err != nil || !strings.Contains(u.Host+u.Query().Get("endpoint"), broker+":") && u.Hostname() != broker {
		t.Errorf("%s uses %s, which is not its broker %s", verb, transport, broker)
	}
	if err := checkTransport(transport); err != nil {
		t.Error(err)
	}
	parse(t, image.health[1:]...)
}

const posthornKeyBytes = 32

// required is a variable of a compose file that must be given.
var required = regexp.MustCompile(`\$\{POSTHORN_[A-Z_]+:\?[^}]+\}`)

// parse is what the program does with its arguments before it runs them.
func parse(t *testing.T, args ...string) *kong.Context {
	t.Helper()
	p := &program{ctx: t.Context(), stdout: io.Discard, stderr: io.Discard, settings: newSettings()}
	parser, err := newParser(p, func(int) { t.Errorf("%q asks for help", args) })
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := parser.Parse(args)
	if err != nil {
		t.Fatalf("posthorn %q: %v", args, err)
	}
	return parsed
}

// value is what a flag has in the end.
func value(t *testing.T, parsed *kong.Context, name string) any {
	t.Helper()
	for _, f := range parsed.Flags() {
		if f.Name == name {
			return parsed.FlagValue(f)
		}
	}
	t.Fatalf("posthorn %s has no flag --%s", parsed.Command(), name)
	return nil
}

// A dockerfile is what of the image's description concerns the program.
type dockerfile struct {
	env    map[string]string
	health []string
}

// imageOf reads the Dockerfile and checks what can be checked without building it.
func imageOf(t *testing.T) dockerfile {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(deployed, "Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	image := dockerfile{env: map[string]string{}}
	list := func(s string) (all []string) {
		if err := yaml.Unmarshal([]byte(s), &all); err != nil {
			t.Errorf("%s is no list: %v", s, err)
		}
		return all
	}
	given := map[string]string{}
	for line := range strings.Lines(strings.ReplaceAll(string(text), "\\\n", " ")) {
		instruction, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		given[instruction] = rest
		switch instruction {
		case "ENV":
			for pair := range strings.FieldsSeq(rest) {
				name, value, _ := strings.Cut(pair, "=")
				image.env[name] = value
			}
		case "HEALTHCHECK":
			_, command, _ := strings.Cut(rest, "CMD ")
			image.health = list(command)
		case "COPY":
			for _, source := range strings.Fields(rest)[:len(strings.Fields(rest))-1] {
				if _, err := os.Stat(filepath.Join(deployed, "..", source)); !strings.Contains(rest, "--from") && err != nil {
					t.Errorf("the image copies %s: %v", source, err)
				}
			}
		}
	}
	if entry := list(given["ENTRYPOINT"]); len(entry) != 1 || len(image.health) < 2 || image.health[0] != entry[0] {
		t.Fatalf("the image runs %q and asks for its health by %q", entry, image.health)
	}
	if user := given["USER"]; user == "" || strings.HasPrefix(user, "0") || strings.HasPrefix(user, "root") {
		t.Errorf("the image runs as user %q", user)
	}
	if build := given["RUN"]; !strings.Contains(build, "CGO_ENABLED=0 go build") {
		t.Errorf("the image is built by %q, which may link what scratch does not have", build)
	}
	mod, err := os.ReadFile("../../go.mod")
	if version := regexp.MustCompile(`(?m)^FROM golang:(\S+)`).FindStringSubmatch(string(text)); err != nil || version == nil || !strings.Contains(string(mod), "\ngo "+version[1]+".") {
		t.Errorf("the image is built with Go %q, not with that of go.mod (%v)", version, err)
	}
	return image
}

// TestKeys: keys.sh makes keys that only their owner can read, and never again.
func TestKeys(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	script, err := os.ReadFile(filepath.Join(deployed, "keys.sh"))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "keys.sh")
	if err := os.WriteFile(path, script, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), "sh", path).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	keys, err := os.ReadFile(filepath.Join(dir, ".env"))
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(filepath.Join(dir, ".env")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the keys have mode %v (%v)", info.Mode(), err)
	}
	found := regexp.MustCompile(`^POSTHORN_SECRET_KEY=([0-9a-f]{64})\nPOSTHORN_API_KEY=([0-9a-f]{64})\n$`).FindStringSubmatch(string(keys))
	if len(found) != 3 || found[1] == found[2] {
		t.Fatal("what it wrote is not two keys")
	}
	if _, err := posthorn.ParseKey(found[1]); err != nil {
		t.Error(err)
	}
	if err := exec.CommandContext(t.Context(), "sh", path).Run(); err == nil {
		t.Error("it ran again, over keys that data is sealed under")
	}
	if again, err := os.ReadFile(filepath.Join(dir, ".env")); err != nil || !bytes.Equal(again, keys) {
		t.Errorf("the second run changed the keys (%v)", err)
	}
}

// TestComposeConfig lets Docker Compose read the files, where there is one.
func TestComposeConfig(t *testing.T) {
	t.Parallel()
	if out, err := exec.CommandContext(t.Context(), "docker", "compose", "version").CombinedOutput(); err != nil {
		t.Skipf("docker compose is not on this machine: %v %s", err, out)
	}
	files, err := filepath.Glob(filepath.Join(deployed, "compose*.yaml"))
	if err != nil || len(files) != 3 {
		t.Fatalf("found %q (%v), want 3", files, err)
	}
	for _, file := range files {
		cmd := exec.CommandContext(t.Context(), "docker", "compose", "-f", file, "config", "--quiet")
		cmd.Env = append(os.Environ(), "POSTHORN_SECRET_KEY=one", "POSTHORN_API_KEY=two")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", file, err, out)
		}
	}
}
