package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Load reads the configuration: the defaults, then the file, then the environment (KEY=value, as from os.Environ), then
// the settings (key.path=value, as given to --set). With the path "" there is no file. The error is a Problems unless
// the file cannot be read.
func Load(path string, environ, settings []string) (*Config, error) {
	text, err := readConfig(path, "config init")
	if err != nil {
		return nil, err
	}
	return load(path, filepath.Dir(path), text, environ, settings)
}

// Check is Load, but also reads the files that keys name: the error has all mistakes at once.
func Check(path string, environ, settings []string) (*Config, error) {
	text, err := readConfig(path, "config init")
	if err != nil {
		return nil, err
	}
	cfg, problems := assemble(path, filepath.Dir(path), text, environ, settings)
	_, projects := cfg.projectConfigs(problems)
	_, admins := cfg.AllAdminKeys()
	_, _, cluster := cfg.ClusterSecrets()
	_, state := cfg.StateDir()
	return cfg, Join(problems.err(), projects, admins, cluster, state, cfg.CheckCerts())
}

// readConfig reads a file; init are the words of the command that writes one.
func readConfig(path, init string) ([]byte, error) {
	if path == "" {
		return nil, nil
	}
	text, err := ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: no such file (\"stentor %s %s\" writes one)", path, init, path)
	}
	return text, err
}

func load(where, dir string, text []byte, environ, settings []string) (*Config, error) {
	cfg, problems := assemble(where, dir, text, environ, settings)
	if err := problems.err(); err != nil {
		return nil, err
	}
	return cfg, nil
}

// assemble builds a configuration and checks it. If it has problems it must not be used.
func assemble(where, dir string, text []byte, environ, settings []string) (*Config, Problems) {
	cfg := &Config{source: source{dir: dir}}
	lookup := lookupIn(environ)
	setDefaults(reflect.ValueOf(cfg).Elem())
	if id, err := expand(string(protect([]byte(cfg.Node.ID))), lookup); err == nil {
		cfg.Node.ID = id
	}
	problems := fill(cfg, reflect.ValueOf(cfg).Elem(), where, text, environ, settings)
	cfg.complete()
	if dir, ok := lookup("STATE_DIRECTORY"); ok && cfg.Node.StateDir == "" && cfg.Bus == "kafka" {
		cfg.setOrigin(stateDir, origin{where: "STATE_DIRECTORY"})
		cfg.Node.StateDir, _, _ = strings.Cut(dir, ":")
	}
	return cfg, append(problems, cfg.validate(len(problems) > 0)...)
}

// target is a configuration to be filled with values.
type target interface {
	walk(func(place))
	setOrigin(path string, o origin)
	// ProjectNames returns the names of the projects in order.
	ProjectNames() []string
}

// fill sets the values of the file, the environment and the settings in t, whose keys are those of v.
func fill(t target, v reflect.Value, where string, text []byte, environ, settings []string) Problems {
	t.setOrigin("", origin{where: where})
	d := decoder{cfg: t, where: where, file: true, lookup: lookupIn(environ)}
	d.document(text, v, "", nil)
	return append(append(d.problems, applyEnvironment(t, environ)...), applySettings(t, settings)...)
}

// lookupIn finds variables in environ. HOSTNAME is always set: shells have it, but do not export it.
func lookupIn(environ []string) func(string) (string, bool) {
	vars := make(map[string]string, len(environ))
	for _, kv := range environ {
		name, value, _ := strings.Cut(kv, "=")
		vars[name] = value
	}
	return func(name string) (string, bool) {
		value, ok := vars[name]
		if !ok && name == "HOSTNAME" {
			host, err := os.Hostname()
			return host, err == nil
		}
		return value, ok
	}
}

// setDefaults sets every key of the struct v to the default of its tag.
func setDefaults(v reflect.Value) {
	for _, f := range fieldsOf(v.Type()) {
		switch value := v.Field(f.index); {
		case value.Kind() == reflect.Struct:
			setDefaults(value)
		case f.def == "":
		case scalar(f.typ):
			setText(value, f.def)
		default:
			d := decoder{cfg: &Config{}}
			d.document([]byte(f.def), value, "", f)
		}
	}
}

// complete fills in the defaults that depend on other keys.
func (c *Config) complete() {
	for _, p := range c.Projects {
		if p.Subscribe == nil && p.Destinations == "prefixed" {
			p.Subscribe = []string{"/topic/{project}/**", "/user/**"}
		}
	}
}

// set sets the key of p to the value of text: a word, words separated by commas, or YAML for other types.
func set(c target, p place, text, where string) Problems {
	c.setOrigin(p.path, origin{where: where})
	if !scalar(p.field.typ) {
		d := decoder{cfg: c, where: where}
		p.value.SetZero()
		d.document([]byte(text), p.value, p.path, p.field)
		return d.problems
	}
	before := reflect.ValueOf(p.value.Interface())
	if setText(p.value, text) {
		return nil
	}
	p.value.Set(before)
	return Problems{{Where: where, Key: p.path, Text: "found " + p.field.quote(text) + ", allowed: " + p.field.allowed()}}
}

// quote quotes a value that was found, unless it is secret.
func (f *field) quote(text string) string {
	if f != nil && f.secret {
		return "a value (not shown)"
	}
	return strconv.Quote(text)
}

// settable returns the keys that the environment and --set can name, the projects' among them.
func settable(c target) []place {
	var all []place
	c.walk(func(p place) {
		if !strings.Contains(p.path, "[") {
			all = append(all, p)
		}
	})
	return all
}

// paths returns the path of every key, with NAME for a project's name and [] for an item.
func paths(of target) []string {
	if _, ok := of.(*Config); ok {
		of = &Config{Projects: map[string]*Project{"NAME": {Keys: make([]Key, 1)}}, Endpoints: make([]Endpoint, 1)}
	}
	var all []string
	of.walk(func(p place) { all = append(all, strings.ReplaceAll(p.path, "[0]", "[]")) })
	return all
}

// otherKind returns the kind of configuration, node or registry, that has the key path, if that is not t's; "" when none
// has it.
func otherKind(t target, path string) string {
	kind, other := "node", target(new(Config))
	if _, ok := t.(*Config); ok {
		kind, other = "registry", new(Registry)
	}
	if slices.ContainsFunc(paths(other), func(p string) bool {
		return p == path || strings.HasPrefix(p, path+".") || strings.HasPrefix(p, path+"[]")
	}) {
		return kind
	}
	return ""
}

// Prefix begins the names of the environment variables that set keys.
const Prefix = "STENTOR_"

var notInNames = regexp.MustCompile(`[^A-Z0-9]+`)

// Variable returns the name of the environment variable for a key.
func Variable(path string) string {
	return Prefix + notInNames.ReplaceAllString(strings.ToUpper(path), "_")
}

// Variables of the client commands; they are no keys.
const (
	VariableAPIKey = "STENTOR_API_KEY"
	VariableToken  = "STENTOR_TOKEN"
)

// foreign matches the variables that Kubernetes sets in every container for a service whose name begins with "stentor".
var foreign = regexp.MustCompile(`^STENTOR(_[A-Z0-9_]+)?_(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT(_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)$`)

// applyEnvironment sets the keys that STENTOR_ variables name, in the order of the variables' names, so that
// STENTOR_PROJECTS comes before the variables that begin with it.
func applyEnvironment(c target, environ []string) Problems {
	var problems Problems
	for _, kv := range slices.Sorted(slices.Values(environ)) {
		name, text, _ := strings.Cut(kv, "=")
		if !strings.HasPrefix(name, Prefix) || name == VariableAPIKey || name == VariableToken || foreign.MatchString(name) {
			continue
		}
		var found, all []string
		var at place
		for _, p := range settable(c) {
			all = append(all, Variable(p.path))
			if Variable(p.path) == name {
				found, at = append(found, p.path), p
			}
		}
		switch len(found) {
		case 1:
			problems = append(problems, set(c, at, text, name)...)
		case 0:
			problems = append(problems, Problem{Where: name, Text: unknown(c, "environment variable", name, func(path string) string { return Variable(path) + "_" }, all)})
		default:
			problems = append(problems, Problem{Where: name, Text: "this could be " + strings.Join(found, " or ") + "; set it in the file, or with --set"})
		}
	}
	return problems
}

// applySettings sets the keys of key.path=value pairs.
func applySettings(c target, settings []string) Problems {
	var problems Problems
	for _, kv := range settings {
		name, text, ok := strings.Cut(kv, "=")
		if !ok {
			problems = append(problems, Problem{Where: "--set", Text: "found " + strconv.Quote(kv) + ", allowed: key.path=value, as in limits.connections=5000"})
			continue
		}
		var all []string
		ok = false
		for _, p := range settable(c) {
			all = append(all, p.path)
			if p.path == name {
				problems, ok = append(problems, set(c, p, text, "--set")...), true
				break
			}
		}
		if !ok {
			problems = append(problems, Problem{Where: "--set", Key: name, Text: unknown(c, "key", name, func(path string) string { return path + "." }, all)})
		}
	}
	return problems
}

// unknown explains a name that is not one of all. below returns the common prefix of the names of all keys below a path.
func unknown(c target, what, name string, below func(path string) string, all []string) string {
	inProject := func(project string) bool { return strings.HasPrefix(name, below(join("projects", project))) }
	if strings.HasPrefix(name, below("projects")) && !slices.ContainsFunc(c.ProjectNames(), inProject) {
		return "unknown " + what + "; it can name projects that are in the file: " + listOr(c.ProjectNames(), "none")
	}
	if near := Nearest(name, all); near != "" {
		return "unknown " + what + ", did you mean " + near + "?"
	}
	return "unknown " + what + " (\"stentor config init\" prints every key)"
}

func listOr(words []string, none string) string {
	if len(words) == 0 {
		return none
	}
	return strings.Join(words, ", ")
}

// ProjectNames returns the names of the projects in order.
func (c *Config) ProjectNames() []string {
	var all []string
	for name := range c.Projects {
		all = append(all, name)
	}
	slices.Sort(all)
	return all
}

func lineOf(file string, line int) origin {
	return origin{where: file + ":" + strconv.Itoa(line), line: line}
}
