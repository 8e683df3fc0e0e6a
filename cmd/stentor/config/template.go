package config

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

const templateHead = `# Configuration of Stentor. Every key is here, with its default unless it is an example.
#
# Check a change with      stentor config check FILE
# and start the node with  stentor serve --config FILE
` + templateRest

const templateRest = `#
# A key can also be set from the environment: STENTOR_ and its path, as in STENTOR_LIMITS_CLIENT_FRAME_BYTES=65536;
# or on the command line, as in --set limits.client_frame_bytes=64KiB. The command line wins over the environment,
# the environment over this file. Lists of words are then separated by commas; other lists and mappings are written
# as YAML. In this file, ${NAME} stands for an environment variable ($${NAME} for the plain text).
# Names of files are relative to this file.
#
# Durations: 500ms, 10s, 1m30s; a plain number is seconds. Sizes: plain bytes, 64KiB, 1MiB, 2GiB.
`

// Template returns a complete, commented configuration file. It works unchanged: it has a project "shop", whose keys are
// random for each call.
func Template() []byte {
	sample := new(Config)
	setDefaults(reflect.ValueOf(sample).Elem())
	shop := new(Project)
	setDefaults(reflect.ValueOf(shop).Elem())
	sample.AdminKeys = []string{rand.Text()}
	shop.APIKeys = []string{rand.Text()}
	shop.Keys = []Key{{KID: "first", Alg: "HS256", Secret: rand.Text() + rand.Text()}}
	sample.Projects = map[string]*Project{"shop": shop}
	sample.complete()
	t := template{}
	t.WriteString(templateHead)
	t.structure(reflect.ValueOf(sample).Elem(), 0)
	return t.Bytes()
}

// template writes YAML.
type template struct{ bytes.Buffer }

const pageWidth = 118

// comment writes text as comment lines, wrapped.
func (t *template) comment(text string, indent int) {
	margin := strings.Repeat(" ", indent) + "#"
	line := margin
	for _, word := range strings.Fields(text) {
		if len(line)+1+len(word) > pageWidth {
			fmt.Fprintln(t, line)
			line = margin
		}
		line += " " + word
	}
	fmt.Fprintln(t, line)
}

// describe returns the comment for a key: its doc, and the allowed values.
func (f *field) describe() string {
	switch {
	case f.oneof != nil && f.typ.Kind() != reflect.Map:
		return f.doc + " One of " + strings.Join(f.oneof, ", ") + "."
	case f.low != "":
		return f.doc + " Range: " + f.low + " to " + f.high + "."
	}
	return f.doc
}

func (t *template) structure(v reflect.Value, indent int) {
	for _, f := range fieldsOf(v.Type()) {
		if indent == 0 {
			fmt.Fprintln(t)
		}
		t.comment(f.describe(), indent)
		t.key(f.name, v.Field(f.index), indent)
	}
}

// key writes one key with its value, of any type.
func (t *template) key(name string, v reflect.Value, indent int) {
	margin := strings.Repeat(" ", indent)
	switch {
	case v.Kind() == reflect.Struct:
		fmt.Fprintf(t, "%s%s:\n", margin, name)
		t.structure(v, indent+2)
	case v.Kind() == reflect.Map && element(v.Type()) != nil:
		fmt.Fprintf(t, "%s%s:\n", margin, name)
		for _, k := range v.MapKeys() {
			fmt.Fprintf(t, "%s  %s:\n", margin, k)
			t.structure(v.MapIndex(k).Elem(), indent+4)
		}
	case v.Kind() == reflect.Slice && element(v.Type()) != nil:
		fmt.Fprintf(t, "%s%s:\n", margin, name)
		for i := range v.Len() {
			t.item(v.Index(i), indent+2)
		}
	default:
		fmt.Fprintf(t, "%s%s: %s\n", margin, name, flow(v))
	}
}

// item writes a struct as an item of a list, with the dash before its first key.
func (t *template) item(v reflect.Value, indent int) {
	var body template
	body.structure(v, indent+2)
	dash := strings.Repeat(" ", indent) + "- "
	for line := range strings.Lines(body.String()) {
		if dash != "" && !strings.HasPrefix(strings.TrimSpace(line), "#") {
			line, dash = dash+strings.TrimLeft(line, " "), ""
		}
		t.WriteString(line)
	}
}

// plain matches the words that need no quotes anywhere in YAML.
var plain = regexp.MustCompile(`^(/?[A-Za-z][A-Za-z0-9_./-]*|\$\{[A-Z]+\}|[0-9.]+:[0-9]+)$`)

// flow returns a word, a list of words or a mapping of words.
func flow(v reflect.Value) string {
	switch value := v.Interface().(type) {
	case string:
		if plain.MatchString(value) {
			return value
		}
		return strconv.Quote(value)
	case []string:
		words := make([]string, len(value))
		for i := range value {
			words[i] = flow(reflect.ValueOf(value[i]))
		}
		return "[" + strings.Join(words, ", ") + "]"
	case map[string]string:
		var pairs []string
		for _, k := range sortedKeys(value) {
			pairs = append(pairs, flow(reflect.ValueOf(k))+": "+flow(reflect.ValueOf(value[k])))
		}
		return "{" + strings.Join(pairs, ", ") + "}"
	default:
		return fmt.Sprint(value)
	}
}

// sortedKeys returns the keys of m in order.
func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
