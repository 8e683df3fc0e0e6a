package kafka

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
)

func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }

// keep stores the text of an error, nil for none, and reports whether it is another one than before.
func keep(at *atomic.Pointer[string], err error) (news bool) {
	if err == nil {
		return at.Swap(nil) != nil
	}
	text := oneLine(err)
	before := at.Swap(&text)
	return before == nil || *before != text
}

// mostTold bounds the errors in one message: a node may have hundreds of projects.
const mostTold = 5

// some joins the first mostTold of all, and says how many more there are.
func some(all []error) error {
	if n := len(all) - mostTold; n > 0 {
		all = append(all[:mostTold:mostTold], fmt.Errorf("and %d more", n))
	}
	return errors.Join(all...)
}
