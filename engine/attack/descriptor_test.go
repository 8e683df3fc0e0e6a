//go:build attacks

package attack

import (
	"context"
	"fmt"
	"time"
)

var descriptorAttacks = []attack{
	{
		name: "descriptors", does: "the node's descriptors are taken away while 500 clients a second connect",
		may:   []memory{{"connections", 8 * mib}},
		allow: allowances{shutOut: true},
		prepare: func(h *hostile) (func(context.Context), error) {
			return func(ctx context.Context) {
				h.pace(ctx, 8, 500, func(int, int) error {
					c, err := h.dial()
					if err != nil {
						h.count("not connected", 1)
						return nil
					}
					go func() {
						_ = hold(ctx, c)
						h.count("ended", 1)
					}()
					return nil
				})
			}, nil
		},
		outside: func(n *node) (func() error, error) {
			open, err := n.descriptors()
			if err != nil {
				return nil, err
			}
			before, err := n.limitDescriptors(uint64(open))
			return func() error { _, err := n.limitDescriptors(before); return err }, err
		},
		check: func(n *node, _ report) error {
			// Once there are descriptors again, clients come in.
			h := &hostile{attackerArgument: attackerArgument{Client: n.Client, API: n.API}, http: caller, counts: map[string]int64{}}
			for end := time.Now().Add(10 * time.Second); ; time.Sleep(50 * time.Millisecond) {
				w, err := h.join("")
				if err == nil {
					return w.Close()
				}
				if time.Now().After(end) {
					return fmt.Errorf("no client comes in after the attack: %w", err)
				}
			}
		},
	},
}
