package tuning

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
)

// A formula is integer arithmetic that means the same in Go and in a POSIX shell: + - * /, parentheses, numbers, names,
// and min and max of two. Numbers have 64 bits, and divisions have no negative operands.
type formula struct {
	text string
	root ast.Expr
}

// parse reads a formula. It panics on a mistake: formulas are constants of this package.
func parse(text string) formula {
	root, err := parser.ParseExpr(text)
	if err != nil {
		panic(fmt.Sprintf("formula %q: %v", text, err))
	}
	return formula{text, root}
}

// eval returns the formula's value; env has the values of its names.
func (f formula) eval(env map[string]int64) int64 { return f.value(f.root, env) }

func (f formula) value(e ast.Expr, env map[string]int64) int64 {
	switch e := e.(type) {
	case *ast.ParenExpr:
		return f.value(e.X, env)
	case *ast.BasicLit:
		n, err := strconv.ParseInt(e.Value, 10, 64)
		if err != nil {
			panic(fmt.Sprintf("formula %q: %v", f.text, err))
		}
		return n
	case *ast.Ident:
		n, ok := env[e.Name]
		if !ok {
			panic(fmt.Sprintf("formula %q: %s is not known", f.text, e.Name))
		}
		return n
	case *ast.CallExpr:
		x, y := f.value(e.Args[0], env), f.value(e.Args[1], env)
		if f.function(e) == "min" {
			return min(x, y)
		}
		return max(x, y)
	case *ast.BinaryExpr:
		x, y := f.value(e.X, env), f.value(e.Y, env)
		switch e.Op {
		case token.ADD:
			return x + y
		case token.SUB:
			return x - y
		case token.MUL:
			return x * y
		case token.QUO:
			return x / y
		}
	}
	panic(fmt.Sprintf("formula %q: neither Go nor the shell should see this: %T", f.text, e))
}

// function checks that e is min or max of two and returns which.
func (f formula) function(e *ast.CallExpr) string {
	if name, ok := e.Fun.(*ast.Ident); ok && (name.Name == "min" || name.Name == "max") && len(e.Args) == 2 {
		return name.Name
	}
	panic(fmt.Sprintf("formula %q: only min and max of two are known", f.text))
}

// shell returns the formula as a shell's $(( )) has it, without these.
func (f formula) shell() string {
	text := f.arithmetic(f.root)
	if _, ok := f.root.(*ast.CallExpr); ok {
		return text[1 : len(text)-1]
	}
	return text
}

func (f formula) arithmetic(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.ParenExpr:
		return "(" + f.arithmetic(e.X) + ")"
	case *ast.BasicLit:
		return e.Value
	case *ast.Ident:
		return e.Name
	case *ast.CallExpr:
		x, y, op := f.arithmetic(e.Args[0]), f.arithmetic(e.Args[1]), ">"
		if f.function(e) == "min" {
			op = "<"
		}
		return fmt.Sprintf("(%s %s %s ? %s : %s)", x, op, y, x, y) // operators in x and y bind more tightly
	case *ast.BinaryExpr:
		return fmt.Sprintf("%s %s %s", f.arithmetic(e.X), e.Op, f.arithmetic(e.Y))
	}
	panic(fmt.Sprintf("formula %q: not for a shell: %T", f.text, e))
}
