package config

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// field is what the tags of one struct field say about its key.
type field struct {
	name, doc, def string
	low, high      string // of the allowed range, "" for none
	oneof          []string
	secret, file   bool
	index          int
	typ            reflect.Type
}

// fieldsOf returns the keys of a struct in the order of the file.
func fieldsOf(t reflect.Type) []*field {
	var all []*field
	for i := range t.NumField() {
		sf := t.Field(i)
		name := sf.Tag.Get("key")
		if name == "" {
			continue
		}
		f := &field{name: name, doc: sf.Tag.Get("doc"), def: sf.Tag.Get("default"), index: i, typ: sf.Type,
			secret: sf.Tag.Get("secret") != "", file: sf.Tag.Get("file") != ""}
		f.low, f.high, _ = strings.Cut(sf.Tag.Get("range"), "..")
		if words := sf.Tag.Get("oneof"); words != "" {
			f.oneof = strings.Split(words, ",")
		}
		all = append(all, f)
	}
	return all
}

// element returns the struct type behind a list or a map of structs, else nil.
func element(t reflect.Type) reflect.Type {
	switch t.Kind() {
	case reflect.Slice, reflect.Map, reflect.Pointer:
		return element(t.Elem())
	case reflect.Struct:
		return t
	}
	return nil
}

// place is one key of one configuration: its path and its current value.
type place struct {
	path  string
	field *field
	value reflect.Value
}

// walk calls fn for every key below the struct v that holds a value, and for every list or map of structs before the
// keys of its items. Items of lists have paths such as endpoints[0].path.
func walk(v reflect.Value, path string, fn func(place)) {
	for _, f := range fieldsOf(v.Type()) {
		p := place{path: join(path, f.name), field: f, value: v.Field(f.index)}
		switch {
		case f.typ.Kind() == reflect.Struct:
			walk(p.value, p.path, fn)
		case element(f.typ) == nil:
			fn(p)
		case f.typ.Kind() == reflect.Slice:
			fn(p)
			for i := range p.value.Len() {
				walk(p.value.Index(i), item(p.path, i), fn)
			}
		default:
			fn(p)
			keys := p.value.MapKeys()
			slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
			for _, k := range keys {
				walk(p.value.MapIndex(k).Elem(), join(p.path, k.String()), fn)
			}
		}
	}
}

// walk calls fn for every key of c.
func (c *Config) walk(fn func(place)) { walk(reflect.ValueOf(c).Elem(), "", fn) }

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

func item(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }

// setText sets v to the value of text, and returns false when text is no such value.
func setText(v reflect.Value, text string) bool {
	var err error
	switch p := v.Addr().Interface().(type) {
	case *string:
		*p = text
	case *bool:
		*p = text == "true"
		return text == "true" || text == "false"
	case *int:
		*p, err = parseInt(text)
	case *Duration:
		*p, err = ParseDuration(text)
	case *ByteSize:
		*p, err = ParseByteSize(text)
	case *[]string:
		*p = []string{}
		for word := range strings.SplitSeq(text, ",") {
			if word = strings.TrimSpace(word); word != "" {
				*p = append(*p, word)
			}
		}
	}
	return err == nil
}

// scalar reports whether values of this type are written as one word. In the environment a list of strings is, too.
func scalar(t reflect.Type) bool { return t.Kind() != reflect.Map && element(t) == nil }

// allowed describes the values that the key may have.
func (f *field) allowed() string {
	if f.oneof != nil && f.typ.Kind() != reflect.Map {
		return strings.Join(f.oneof, ", ")
	}
	var what string
	switch reflect.Zero(f.typ).Interface().(type) {
	case bool:
		return "true, false"
	case int:
		what = "a whole number"
	case Duration:
		what = "a duration such as 500ms, 10s or 1m30s (a plain number is seconds)"
	case ByteSize:
		what = "bytes, also as 64KiB or 1MiB"
	case []string:
		return "a list of words"
	case string:
		return "a word"
	case map[string]string:
		if f.oneof == nil {
			return "a mapping of names to words"
		}
		return "a mapping of patterns to " + strings.Join(f.oneof, ", ")
	default:
		names := make([]string, 0, 16)
		for _, k := range fieldsOf(element(f.typ)) {
			names = append(names, k.name)
		}
		if f.typ.Kind() == reflect.Slice {
			return "a list of mappings with " + strings.Join(names, ", ")
		}
		return "a mapping"
	}
	switch {
	case f.low != "" && f.high != "":
		return fmt.Sprintf("%s, %s to %s", what, f.low, f.high)
	case f.low != "":
		return fmt.Sprintf("%s, at least %s", what, f.low)
	}
	return what
}

// inRange reports whether v is in the field's range, or one of its words.
func (f *field) inRange(v reflect.Value) bool {
	if f.oneof != nil && v.Kind() == reflect.String {
		return slices.Contains(f.oneof, v.String())
	}
	if f.low == "" {
		return true
	}
	bound := reflect.New(f.typ).Elem()
	setText(bound, f.low)
	if v.Int() < bound.Int() {
		return false
	}
	setText(bound, f.high)
	return f.high == "" || v.Int() <= bound.Int()
}
