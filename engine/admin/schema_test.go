package admin

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// schemas checks values against the JSON Schema (2020-12) of an OpenAPI document: those keywords that openapi.yaml
// uses. A keyword that it does not know is an error, so that none is passed over.
type schemas struct{ doc map[string]any }

// at follows a reference within the document.
func (s schemas) at(ref string) (map[string]any, error) {
	var v any = s.doc
	for part := range strings.SplitSeq(strings.TrimPrefix(ref, "#/"), "/") {
		m, _ := v.(map[string]any)
		if v = m[part]; v == nil {
			return nil, fmt.Errorf("%s leads nowhere", ref)
		}
	}
	m, ok := v.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("%s is no object", ref)
	}
	return m, nil
}

// resolve follows $ref of an object that may be nothing else.
func (s schemas) resolve(v any) map[string]any {
	m := v.(map[string]any)
	if ref, ok := m["$ref"].(string); ok {
		to, err := s.at(ref)
		if err != nil {
			panic(err)
		}
		return s.resolve(to)
	}
	return m
}

// check returns what is wrong with v, which is made of the types of encoding/json.
func (s schemas) check(schema map[string]any, v any) error {
	for _, word := range slices.Sorted(maps.Keys(schema)) {
		if err := s.word(word, schema[word], schema, v); err != nil {
			return err
		}
	}
	return nil
}

func (s schemas) word(word string, arg any, schema map[string]any, v any) error {
	object, isObject := v.(map[string]any)
	list, isList := v.([]any)
	text, isText := v.(string)
	n, isNumber := v.(float64)
	bad := func(ok bool, format string, args ...any) error {
		if ok {
			return nil
		}
		return fmt.Errorf("%s %v: %s: %v", word, arg, fmt.Sprintf(format, args...), v)
	}
	switch word {
	case "description", "default", "contentEncoding", "summary":
		return nil
	case "$ref":
		to, err := s.at(arg.(string))
		if err != nil {
			return err
		}
		return s.check(to, v)
	case "type":
		types, several := arg.([]any)
		if !several {
			types = []any{arg}
		}
		is := map[string]bool{"object": isObject, "array": isList, "string": isText, "number": isNumber, "integer": isNumber && n == math.Trunc(n), "null": v == nil}
		_, is["boolean"] = v.(bool)
		return bad(slices.ContainsFunc(types, func(t any) bool { return is[t.(string)] }), "another type")
	case "const":
		return bad(reflect.DeepEqual(number(arg), v), "another value")
	case "enum":
		return bad(slices.ContainsFunc(arg.([]any), func(e any) bool { return reflect.DeepEqual(number(e), v) }), "another value")
	case "required":
		for _, name := range arg.([]any) {
			if _, there := object[name.(string)]; isObject && !there {
				return bad(false, "%s is missing", name)
			}
		}
		return nil
	case "dependentRequired":
		for name, needs := range arg.(map[string]any) {
			if _, there := object[name]; there {
				if err := s.word("required", needs, schema, v); err != nil {
					return err
				}
			}
		}
		return nil
	case "properties":
		for name, sub := range arg.(map[string]any) {
			if value, there := object[name]; there {
				if err := s.check(sub.(map[string]any), value); err != nil {
					return fmt.Errorf("%s: %w", name, err)
				}
			}
		}
		return nil
	case "additionalProperties":
		properties, _ := schema["properties"].(map[string]any)
		for name, value := range object {
			if _, known := properties[name]; known {
				continue
			}
			sub, isSchema := arg.(map[string]any)
			if !isSchema {
				return bad(arg == true, "%s is not known", name)
			}
			if err := s.check(sub, value); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
		return nil
	case "propertyNames":
		for name := range object {
			if err := s.check(arg.(map[string]any), name); err != nil {
				return err
			}
		}
		return nil
	case "maxProperties":
		return bad(float64(len(object)) <= number(arg).(float64), "too many members")
	case "items":
		for i, e := range list {
			if err := s.check(arg.(map[string]any), e); err != nil {
				return fmt.Errorf("%d: %w", i, err)
			}
		}
		return nil
	case "minItems":
		return bad(!isList || float64(len(list)) >= number(arg).(float64), "too few")
	case "maxItems":
		return bad(float64(len(list)) <= number(arg).(float64), "too many")
	case "uniqueItems":
		for i := range list {
			if slices.ContainsFunc(list[:i], func(e any) bool { return reflect.DeepEqual(e, list[i]) }) {
				return bad(false, "%v is present twice", list[i])
			}
		}
		return nil
	case "minLength":
		return bad(!isText || float64(utf8.RuneCountInString(text)) >= number(arg).(float64), "too short")
	case "maxLength":
		return bad(float64(utf8.RuneCountInString(text)) <= number(arg).(float64), "too long")
	case "pattern":
		return bad(!isText || regexp.MustCompile(arg.(string)).MatchString(text), "no match")
	case "format":
		_, err := time.Parse(time.RFC3339, text)
		return bad(arg == "date-time" && err == nil, "another form")
	case "minimum":
		return bad(!isNumber || n >= number(arg).(float64), "too small")
	case "maximum":
		return bad(!isNumber || n <= number(arg).(float64), "too large")
	case "not":
		return bad(s.check(arg.(map[string]any), v) != nil, "what it must not be")
	case "allOf":
		for _, sub := range arg.([]any) {
			if err := s.check(sub.(map[string]any), v); err != nil {
				return err
			}
		}
		return nil
	case "oneOf":
		var all []string
		fits := 0
		for _, sub := range arg.([]any) {
			if err := s.check(sub.(map[string]any), v); err != nil {
				all = append(all, err.Error())
			} else {
				fits++
			}
		}
		return bad(fits == 1, "%d fit (%s)", fits, strings.Join(all, "; "))
	}
	return fmt.Errorf("the keyword %q is not known to this test", word)
}

// number turns the integers of the YAML reader into JSON's only number.
func number(v any) any {
	switch n := reflect.ValueOf(v); {
	case n.CanInt():
		return float64(n.Int())
	case n.CanUint():
		return float64(n.Uint())
	}
	return v
}

// plain turns v into the types of encoding/json.
func plain(t *testing.T, v any) any {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var out any
	if err := json.Unmarshal(b, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// TestSchemas makes sure that the checker refuses what it must.
func TestSchemas(t *testing.T) {
	s := schemas{readDescription(t)}
	push, err := s.at("#/components/schemas/Push")
	if err != nil {
		t.Fatal(err)
	}
	for text, ok := range map[string]bool{
		`{"topic":"a","payload":1}`: true,
		`{"topic":"a","payload":null,"headers":{"a":"b"},"id":"x","ttl_ms":1}`: true,
		`{"users":["a","b"],"destination":"/queue/x","payload_base64":""}`:     true,
		`[]`:            false,
		`{"topic":"a"}`: false,
		`{"payload":1}`: false,
		`{"topic":"a","payload":1,"payload_base64":""}`:         false,
		`{"topic":"a","user":"b","payload":1}`:                  false,
		`{"user":"b","payload":1}`:                              false,
		`{"topic":"","payload":1}`:                              false,
		`{"topic":7,"payload":1}`:                               false,
		`{"topic":"a","payload":1,"x":1}`:                       false,
		`{"topics":[],"payload":1}`:                             false,
		`{"topics":["a","a"],"payload":1}`:                      false,
		`{"topic":"a","payload":1,"ttl_ms":0}`:                  false,
		`{"topic":"a","payload":1,"ttl_ms":1.5}`:                false,
		`{"topic":"a","payload":1,"headers":{"a":1}}`:           false,
		`{"topic":"a","payload":1,"headers":{"message-id":""}}`: false,
		`{"topic":"a","payload":1,"id":"a#b"}`:                  false,
	} {
		var v any
		if err := json.Unmarshal([]byte(text), &v); err != nil {
			t.Fatal(err)
		}
		if err := s.check(push, v); (err == nil) != ok {
			t.Errorf("%s: %v", text, err)
		}
	}
}
