package config

import (
	"bytes"
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"stentor/kafka"
)

// checker collects what is wrong with a configuration.
type checker struct {
	src      *source
	problems Problems
	// partial: some of the file could not be decoded, so that a missing key may only have been misspelt.
	partial bool
}

func (v *checker) bad(path, format string, args ...any) {
	o := v.src.origin(path)
	v.problems = append(v.problems, Problem{Where: o.where, Key: path, Text: fmt.Sprintf(format, args...), line: o.line})
}

// missing reports a key that is not set.
func (v *checker) missing(path, format string, args ...any) {
	if !v.partial {
		v.bad(path, format, args...)
	}
}

// single checks one value by the tags of its key.
func (v *checker) single(p place) {
	switch {
	case p.field.inRange(p.value):
	case p.value.Kind() == reflect.String && p.value.Len() == 0:
		v.missing(p.path, "missing, allowed: %s", p.field.allowed())
	default:
		v.bad(p.path, "found %s, allowed: %s", p.field.quote(fmt.Sprint(p.value.Interface())), p.field.allowed())
	}
	words, ok := p.value.Interface().([]string)
	if ok && p.field.secret {
		for i, word := range words {
			if !visible(word) {
				v.bad(v.src.itemPath(p.path, i), "found %s, allowed: %s", p.field.quote(word), keyAllowed)
			}
		}
	}
}

// oneOf checks that value is one of values.
func (v *checker) oneOf(path, value string, values []string) {
	for _, one := range values {
		if value == one {
			return
		}
	}
	v.bad(path, "found %q, allowed: %s", value, listOr(values, "nothing"))
}

// read returns the content of a file that a key names. An empty one is a mistake.
func (v *checker) read(path, name string) []byte {
	text, err := ReadFile(v.src.File(name))
	if err != nil {
		v.bad(path, "found %q, which cannot be read: %v", name, err)
	} else if len(bytes.TrimSpace(text)) == 0 {
		v.bad(path, "found %q, which is empty", name)
	}
	return text
}

// withFile returns keys and those that a file lists, one per line.
func (v *checker) withFile(keys []string, path, name string) []string {
	all := slices.Clone(keys)
	if name == "" {
		return all
	}
	for i, line := range strings.Split(string(v.read(path, name)), "\n") {
		switch line = strings.TrimSpace(line); {
		case line == "" || strings.HasPrefix(line, "#"):
		case !visible(line):
			v.bad(path, "line %d of %q is not a key, allowed: %s", i+1, name, keyAllowed)
		default:
			all = append(all, line)
		}
	}
	return all
}

// proxies checks listen.trusted_proxies.
func (v *checker) proxies(all []string) {
	for i, s := range all {
		if _, err := parsePrefix(s); err != nil {
			v.bad(v.src.itemPath("listen.trusted_proxies", i), "found %q, allowed: an address or a network, as in 10.0.0.7 or 10.0.0.0/8", s)
		}
	}
}

// brokers checks kafka.brokers, if the bus needs them.
func (v *checker) brokers(all []string) {
	if len(all) == 0 {
		v.missing("kafka.brokers", "no broker, allowed: at least one, as in [kafka-1:9092]")
	}
	for i, broker := range all {
		if !hostAndPort.MatchString(broker) {
			v.bad(v.src.itemPath("kafka.brokers", i), "found %q, allowed: host:port, as in kafka-1:9092", broker)
		}
	}
}

// properties checks kafka.properties.
func (v *checker) properties(all map[string]string) {
	for _, err := range kafka.CheckProperties(all) {
		v.bad("kafka.properties", "%v", err)
	}
	if _, ok := all["bootstrap.servers"]; ok {
		v.bad("kafka.properties", "found bootstrap.servers, which is kafka.brokers here")
	}
}

// itemPath returns the path of an item of a list of words; a list of one item may be written as a plain word.
func (c *source) itemPath(path string, i int) string {
	if _, ok := c.origins[item(path, i)]; ok {
		return item(path, i)
	}
	return path
}

// File returns the path of a file that a key names. Relative names are relative to the configuration file.
func (c *source) File(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(c.dir, name)
}
