package load

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/spf13/pflag"
)

// ReadFile sets the flags that a YAML file names and the command line has not set: its keys are the flags' names, with
// _ or -, and "scenario", which it returns. Lists set flags that take several values, mappings those that take
// name=value. The error has every mistake, each with file, line, key, what was found and what is allowed.
func ReadFile(f *pflag.FlagSet, path string) (scenario string, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	return readText(f, path, text)
}

func readText(f *pflag.FlagSet, path string, text []byte) (scenario string, err error) {
	file, err := parser.ParseBytes(text, 0)
	if err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	r := reader{flags: f, path: path, seen: map[string]bool{}}
	for _, doc := range file.Docs {
		switch body := doc.Body.(type) {
		case nil:
		case *ast.MappingNode:
			for _, v := range body.Values {
				r.entry(v)
			}
		case *ast.MappingValueNode:
			r.entry(body)
		default:
			r.problem(body, "", "found "+body.Type().String()+", allowed: key: value")
		}
	}
	return r.scenario, errors.Join(r.problems...)
}

type reader struct {
	flags    *pflag.FlagSet
	path     string
	scenario string
	seen     map[string]bool
	problems []error
}

func (r *reader) problem(at ast.Node, key, text string) {
	if key != "" {
		text = key + ": " + text
	}
	r.problems = append(r.problems, fmt.Errorf("%s:%d: %s", r.path, at.GetToken().Position.Line, text))
}

func (r *reader) entry(v *ast.MappingValueNode) {
	key := v.Key.String()
	name := strings.ReplaceAll(key, "_", "-")
	flag := r.flags.Lookup(name)
	switch {
	case r.seen[name]:
		r.problem(v.Key, key, "found twice, allowed: once")
		return
	case name == "scenario":
		r.scenario = text(v.Value)
		if !scenario(r.scenario) {
			r.problem(v.Value, key, fmt.Sprintf("found %q, allowed: %s", r.scenario, scenarioNames()))
		}
		return
	case flag == nil:
		r.problem(v.Key, key, "there is no such key, allowed: "+r.near(name))
		return
	}
	r.seen[name] = true
	if flag.Changed { // the command line has the last word
		return
	}
	if _, staged := flag.Value.(stagesFlag); staged {
		r.stages(v.Value, key)
		return
	}
	parts, err := values(v.Value)
	if err != nil {
		r.problem(v.Value, key, err.Error())
		return
	}
	if _, ok := v.Value.(*ast.SequenceNode); ok && !several(flag) {
		r.problem(v.Value, key, "found a list, allowed: one value")
		return
	}
	if _, ok := v.Value.(*ast.MappingNode); ok != (flag.Value.Type() == "stringToString") {
		if _, one := v.Value.(*ast.MappingValueNode); !one || flag.Value.Type() != "stringToString" {
			r.problem(v.Value, key, "found a "+strings.ToLower(v.Value.Type().String())+", allowed: "+form(flag))
			return
		}
	}
	for _, part := range parts {
		if err := r.flags.Set(name, part); err != nil {
			r.problem(v.Value, key, cause(err))
			return
		}
	}
}

// stages reads a list of mappings, each a stage.
func (r *reader) stages(n ast.Node, key string) {
	list, ok := n.(*ast.SequenceNode)
	if !ok {
		r.problem(n, key, "found a "+strings.ToLower(n.Type().String())+", allowed: a list of stages, each with "+stageAllowed)
		return
	}
	for i, one := range list.Values {
		key := fmt.Sprintf("%s[%d]", key, i)
		var entries []*ast.MappingValueNode
		switch one := one.(type) {
		case *ast.MappingNode:
			entries = one.Values
		case *ast.MappingValueNode:
			entries = []*ast.MappingValueNode{one}
		default:
			r.problem(one, key, "found "+one.Type().String()+", allowed: a mapping with "+stageAllowed)
			continue
		}
		var words []string
		for _, e := range entries {
			words = append(words, strings.Join(strings.Fields(text(e.Key)+"="+text(e.Value)), "_"))
		}
		if err := r.flags.Set("stages", strings.Join(words, " ")); err != nil {
			r.problem(one, key, cause(err))
		}
	}
}

// form describes what a flag accepts.
func form(f *pflag.Flag) string {
	switch {
	case f.Value.Type() == "stringToString":
		return "a mapping, name: value"
	case several(f):
		return "a value, or a list of them"
	}
	return "a value"
}

// several reports whether a flag takes more than one value.
func several(f *pflag.Flag) bool {
	_, ok := f.Value.(pflag.SliceValue)
	return ok
}

// values are the texts to set a flag with, one after the other.
func values(n ast.Node) ([]string, error) {
	switch n := n.(type) {
	case *ast.SequenceNode:
		var all []string
		for _, v := range n.Values {
			if _, ok := v.(ast.ScalarNode); !ok {
				return nil, fmt.Errorf("found %s in a list, allowed: plain values", v.Type())
			}
			all = append(all, quoted(text(v)))
		}
		return all, nil
	case *ast.MappingNode:
		var all []string
		for _, v := range n.Values {
			all = append(all, quoted(text(v.Key)+"="+text(v.Value)))
		}
		return all, nil
	case *ast.MappingValueNode:
		return []string{quoted(text(n.Key) + "=" + text(n.Value))}, nil
	case ast.ScalarNode:
		return []string{text(n)}, nil
	}
	return nil, fmt.Errorf("found %s, allowed: a value, a list or a mapping", n.Type())
}

// text is the text of a scalar as in the file, without quotes.
func text(n ast.Node) string {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value
	case *ast.LiteralNode:
		return n.Value.Value
	case *ast.NullNode:
		return ""
	}
	return n.GetToken().Value
}

// quoted keeps pflag from cutting s at commas: it reads CSV.
func quoted(s string) string {
	if !strings.ContainsAny(s, "\",\n") {
		return s
	}
	return `"` + strings.ReplaceAll(s, `"`, `""`) + `"`
}

// cause is pflag's error without the flag's name, which the message has already.
func cause(err error) string {
	_, after, ok := strings.Cut(err.Error(), "flag: ")
	if ok {
		return after
	}
	return err.Error()
}

// near lists the keys that begin like name.
func (r *reader) near(name string) string {
	var some []string
	r.flags.VisitAll(func(f *pflag.Flag) {
		if len(name) >= 2 && strings.HasPrefix(f.Name, name[:2]) {
			some = append(some, strings.ReplaceAll(f.Name, "-", "_"))
		}
	})
	if len(some) == 0 {
		return "scenario, and the names of the command's flags, with _ for -"
	}
	return strings.Join(some, ", ")
}
