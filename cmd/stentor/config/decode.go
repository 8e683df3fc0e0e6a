package config

import (
	"reflect"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	goyaml "github.com/goccy/go-yaml"
)

// decoder reads YAML into a configuration. It continues after a mistake, so that it finds all of them.
type decoder struct {
	cfg      target
	where    string // file name, environment variable or --set
	file     bool   // where is a file: lines count, and ${VAR} is expanded
	lookup   func(string) (string, bool)
	anchors  map[string]ast.Node
	merging  map[ast.Node]bool // mappings whose keys are being collected
	problems Problems
}

// maxAliases bounds a chain of aliases.
const maxAliases = 32

// document decodes text into v, whose key is path.
func (d *decoder) document(text []byte, v reflect.Value, path string, f *field) {
	if d.file {
		text = protect(text)
	}
	doc, err := parser.ParseBytes(text, 0)
	if err != nil {
		d.syntax(err, path)
		return
	}
	var body ast.Node
	for i, part := range doc.Docs {
		if part.Body == nil {
			continue
		}
		if body != nil {
			d.problem(doc.Docs[i].Body, path, "a second document, allowed: one")
			return
		}
		body = part.Body
	}
	if body == nil {
		return
	}
	d.anchors, d.merging = make(map[string]ast.Node), make(map[ast.Node]bool)
	ast.Walk(d, body)
	d.value(body, v, path, f)
}

// Visit collects the anchors; it makes the decoder an ast.Visitor.
func (d *decoder) Visit(n ast.Node) ast.Visitor {
	if a, ok := n.(*ast.AnchorNode); ok {
		d.anchors[a.Name.GetToken().Value] = a.Value
	}
	return d
}

// syntax reports what the parser could not read.
func (d *decoder) syntax(err error, path string) {
	p := Problem{Where: d.where, Key: path, Text: "this is not YAML: " + err.Error()}
	if e, ok := err.(goyaml.Error); ok {
		p.Text = "this is not YAML: " + restore(e.GetMessage())
		if d.file {
			o := d.originOf(e.GetToken())
			p.Where, p.line = o.where, o.line
		}
	}
	d.problems = append(d.problems, p)
}

func (d *decoder) originOf(t *token.Token) origin {
	if !d.file || t == nil {
		return origin{where: d.where}
	}
	return lineOf(d.where, t.Position.Line)
}

func (d *decoder) problem(n ast.Node, path, text string) {
	o := d.originOf(n.GetToken())
	d.problems = append(d.problems, Problem{Where: o.where, Key: path, Text: text, line: o.line})
}

// value decodes n into v, which the field f describes (nil for the whole tree).
func (d *decoder) value(n ast.Node, v reflect.Value, path string, f *field) {
	n, ok := d.resolve(n, path)
	if !ok {
		return
	}
	if n.Type() == ast.NullType {
		return // as if the key were absent
	}
	switch {
	case v.Kind() == reflect.Struct:
		d.structure(n, v, path)
	case v.Kind() == reflect.Map:
		d.mapping(n, v, path, f)
	case v.Kind() == reflect.Slice:
		d.list(n, v, path, f)
	default:
		d.scalar(n, v, path, f)
	}
}

// resolve follows anchors, aliases and tags to the value.
func (d *decoder) resolve(n ast.Node, path string) (ast.Node, bool) {
	for range maxAliases {
		switch node := n.(type) {
		case *ast.AnchorNode:
			n = node.Value
		case *ast.TagNode:
			n = node.Value
		case *ast.AliasNode:
			name := node.Value.GetToken().Value
			target, ok := d.anchors[name]
			if !ok {
				d.problem(node, path, "no anchor &"+name+" in the file")
				return nil, false
			}
			n = target
		default:
			return n, n != nil
		}
	}
	d.problem(n, path, selfAlias)
	return nil, false
}

const selfAlias = "an alias that leads to itself"

// pair is one key of a YAML mapping.
type pair struct {
	key   ast.Node
	name  string
	value ast.Node
}

// pairs returns the keys of a mapping: first those that << merges in, then its own.
func (d *decoder) pairs(n ast.Node, path string) ([]pair, bool) {
	var values []*ast.MappingValueNode
	switch m := n.(type) {
	case *ast.MappingNode:
		values = m.Values
	case *ast.MappingValueNode:
		values = []*ast.MappingValueNode{m}
	default:
		return nil, false
	}
	if d.merging[n] {
		d.problem(n, path, selfAlias)
		return nil, true
	}
	d.merging[n] = true
	defer delete(d.merging, n)
	var merged, own []pair
	seen := make(map[string]bool)
	for _, kv := range values {
		if kv.Key.IsMergeKey() {
			merged = append(merged, d.merge(kv.Value, path)...)
			continue
		}
		p := pair{key: kv.Key, name: restore(kv.Key.GetToken().Value), value: kv.Value}
		seen[p.name] = true
		own = append(own, p)
	}
	all := own[:0:0]
	for _, p := range merged {
		if !seen[p.name] { // else the mapping's own key wins, or the first of several merged ones
			seen[p.name] = true
			all = append(all, p)
		}
	}
	return append(all, own...), true
}

// merge returns the keys that << refers to: a mapping, or a list of them.
func (d *decoder) merge(n ast.Node, path string) []pair {
	n, ok := d.resolve(n, path)
	if !ok {
		return nil
	}
	if list, ok := n.(*ast.SequenceNode); ok && !d.merging[n] {
		d.merging[n] = true
		defer delete(d.merging, n)
		var all []pair
		for _, v := range list.Values {
			all = append(all, d.merge(v, path)...)
		}
		return all
	}
	all, ok := d.pairs(n, path)
	if !ok {
		d.problem(n, path, "found "+kindOf(n)+" behind <<, allowed: a mapping")
	}
	return all
}

func (d *decoder) structure(n ast.Node, v reflect.Value, path string) {
	pairs, ok := d.pairs(n, path)
	if !ok {
		d.problem(n, path, "found "+d.found(n, nil)+", allowed: a mapping with "+strings.Join(names(v.Type()), ", "))
		return
	}
next:
	for _, p := range pairs {
		for _, f := range fieldsOf(v.Type()) {
			if f.name == p.name {
				d.cfg.setOrigin(join(path, f.name), d.originOf(p.key.GetToken()))
				d.value(p.value, v.Field(f.index), join(path, f.name), f)
				continue next
			}
		}
		d.problem(p.key, join(path, p.name), d.unknownKey(path, p.name, v.Type()))
	}
}

// names returns the keys of a struct.
func names(t reflect.Type) []string {
	var all []string
	for _, f := range fieldsOf(t) {
		all = append(all, f.name)
	}
	return all
}

// unknownKey explains a key that t, whose path is above, does not have.
func (d *decoder) unknownKey(above, name string, t reflect.Type) string {
	if near := Nearest(name, names(t)); near != "" {
		return "unknown key, did you mean " + near + "?"
	}
	if kind := otherKind(d.cfg, join(above, name)); kind != "" {
		return "unknown key here, it belongs in the configuration of a " + kind
	}
	for _, path := range paths(d.cfg) {
		if path == name || strings.HasSuffix(path, "."+name) {
			return "unknown key here, did you mean " + path + "?"
		}
	}
	return "unknown key, allowed: " + strings.Join(names(t), ", ")
}

func (d *decoder) mapping(n ast.Node, v reflect.Value, path string, f *field) {
	pairs, ok := d.pairs(n, path)
	if !ok {
		d.problem(n, path, "found "+d.found(n, f)+", allowed: "+f.allowed())
		return
	}
	v.Set(reflect.MakeMap(f.typ))
	for _, p := range pairs {
		sub := join(path, p.name)
		d.cfg.setOrigin(sub, d.originOf(p.key.GetToken()))
		if f.typ.Elem().Kind() == reflect.Pointer {
			one := reflect.New(f.typ.Elem().Elem())
			setDefaults(one.Elem())
			d.value(p.value, one.Elem(), sub, nil)
			v.SetMapIndex(reflect.ValueOf(p.name), one)
			continue
		}
		if word, ok := d.word(p.value, sub, f); ok {
			v.SetMapIndex(reflect.ValueOf(p.name), reflect.ValueOf(word))
		}
	}
}

func (d *decoder) list(n ast.Node, v reflect.Value, path string, f *field) {
	if element(f.typ) == nil {
		d.words(n, v, path, f)
		return
	}
	seq, ok := n.(*ast.SequenceNode)
	if !ok {
		d.problem(n, path, "found "+d.found(n, f)+", allowed: "+f.allowed())
		return
	}
	v.Set(reflect.MakeSlice(f.typ, len(seq.Values), len(seq.Values)))
	for i, one := range seq.Values {
		setDefaults(v.Index(i))
		d.cfg.setOrigin(item(path, i), d.originOf(one.GetToken()))
		d.value(one, v.Index(i), item(path, i), nil)
	}
}

// words decodes a list of strings; a single string is a list of one.
func (d *decoder) words(n ast.Node, v reflect.Value, path string, f *field) {
	nodes := []ast.Node{n}
	if seq, ok := n.(*ast.SequenceNode); ok {
		nodes = seq.Values
	}
	all := make([]string, 0, len(nodes))
	for i, one := range nodes {
		sub := path
		if len(nodes) > 1 {
			sub = item(path, i)
			d.cfg.setOrigin(sub, d.originOf(one.GetToken()))
		}
		if word, ok := d.word(one, sub, f); ok {
			all = append(all, word)
		}
	}
	v.Set(reflect.ValueOf(all))
}

func (d *decoder) scalar(n ast.Node, v reflect.Value, path string, f *field) {
	word, ok := d.word(n, path, f)
	if !ok {
		return
	}
	before := reflect.ValueOf(v.Interface())
	if !setText(v, word) {
		v.Set(before)
		d.problem(n, path, "found "+f.quote(word)+", allowed: "+f.allowed())
	}
}

// word returns the text of a scalar with its variables expanded.
func (d *decoder) word(n ast.Node, path string, f *field) (string, bool) {
	n, ok := d.resolve(n, path)
	if !ok {
		return "", false
	}
	text, ok := scalarText(n)
	if !ok {
		allowed := f.allowed()
		if f.typ.Kind() == reflect.Slice {
			allowed = "a word"
		}
		d.problem(n, path, "found "+kindOf(n)+", allowed: "+allowed)
		return "", false
	}
	if !d.file {
		return text, true
	}
	text, err := expand(text, d.lookup)
	if err != nil {
		d.problem(n, path, err.Error())
	}
	return text, err == nil
}

// found quotes the text of n, unless it is secret.
func (d *decoder) found(n ast.Node, f *field) string {
	if text, ok := scalarText(n); ok {
		return f.quote(restore(text))
	}
	return kindOf(n)
}

func scalarText(n ast.Node) (string, bool) {
	switch node := n.(type) {
	case *ast.StringNode:
		return node.Value, true
	case *ast.LiteralNode:
		return node.Value.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return n.GetToken().Value, true
	}
	return "", false
}

func kindOf(n ast.Node) string {
	switch n.(type) {
	case *ast.SequenceNode:
		return "a list"
	case *ast.MappingNode, *ast.MappingValueNode:
		return "a mapping"
	case *ast.NullNode:
		return "nothing"
	}
	return "a value"
}
