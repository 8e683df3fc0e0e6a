//go:build attacks

package attack

import (
	"context"
	"fmt"
	"sync"
	"time"

	"stentor/stomp"
)

var commits = []attack{
	{
		name: "commit", does: "transactions of 600 SENDs are all or nothing",
		may: []memory{{"history.bytes", 64 * mib}, {"8 transactions", 8 * mib / 4}, {"sessions", mib}},
		prepare: func(h *hostile) (func(context.Context), error) {
			all, err := h.joinAll(4, nil)
			if err != nil {
				return nil, err
			}
			reader, err := h.join("")
			if err != nil {
				return nil, err
			}
			if _, err := reader.subscribe("a", "/topic/hostile/commit/*"); err != nil {
				return nil, err
			}
			// A session may send 200 frames a second, and 400 at once.
			err = together(len(all), func(i int) error {
				if err := all[i].send(stomp.Begin, nil, "transaction", "t"); err != nil {
					return err
				}
				for n := range commitSends {
					header := []string{"destination", fmt.Sprint("/topic/hostile/commit/", i), "transaction", "t"}
					if n == 379 {
						header = append(header, "receipt", "first")
					}
					if err := all[i].send(stomp.Send, []byte("x"), header...); err != nil {
						return err
					}
					if n == 379 {
						// The node's count of frames is as low as it gets some time before this receipt, not after the sending.
						if _, err := all[i].receipt("first"); err != nil {
							return err
						}
						time.Sleep(2100 * time.Millisecond)
					}
				}
				return nil
			})
			h.spare()
			return func(ctx context.Context) {
				late := time.Now().Add(30 * time.Second)
				var outcomes sync.WaitGroup
				outcomes.Go(func() {
					_ = reader.SetDeadline(late)
					for range len(all) * commitSends {
						g, err := reader.next()
						if err != nil {
							h.met(err)
							return
						}
						h.count(g.headers["destination"], 1)
					}
				})
				for _, w := range all {
					_ = w.SetDeadline(late)
					h.met(w.send(stomp.Commit, nil, "transaction", "t", "receipt", "c"))
					outcomes.Go(func() {
						if _, err := w.receipt("c"); err != nil {
							h.met(err)
						} else {
							h.count("committed", 1)
						}
					})
				}
				<-ctx.Done()
				outcomes.Wait()
			}, err
		},
		check: func(_ *node, r report) error {
			for i := range 4 {
				if n := r[fmt.Sprint("/topic/hostile/commit/", i)]; n != 0 && n != commitSends {
					return fmt.Errorf("%d of %d SENDs of a transaction were delivered: %v", n, commitSends, r)
				}
			}
			if r["committed"] != 4 {
				return fmt.Errorf("legal transactions were refused: %v", r)
			}
			return nil
		},
	},
	{
		name: "commit-again", does: "20 clients commit transactions of 90 SENDs, twice a second",
		may: []memory{{"history.bytes", 64 * mib}, {"sessions", mib}},
		prepare: func(h *hostile) (func(context.Context), error) {
			all, err := h.joinAll(20, nil)
			return func(ctx context.Context) {
				for _, w := range all {
					go h.drain(w)
				}
				h.pace(ctx, 20, 40, func(worker, _ int) error {
					w := all[worker]
					if err := w.send(stomp.Begin, nil, "transaction", "t"); err != nil {
						return err
					}
					for range 90 {
						if err := w.send(stomp.Send, []byte("x"), "destination", "/topic/hostile/none", "transaction", "t"); err != nil {
							return err
						}
					}
					return w.send(stomp.Commit, nil, "transaction", "t")
				})
			}, err
		},
	},
	{
		name: "burst", does: "10 clients send bursts of 70 SENDs with receipts, twice a second",
		may: []memory{{"history.bytes", 64 * mib}, {"sessions", mib}},
		prepare: func(h *hostile) (func(context.Context), error) {
			all, err := h.joinAll(10, nil)
			return func(ctx context.Context) {
				h.pace(ctx, 10, 20, func(worker, i int) error {
					w := all[worker]
					for n := range 70 {
						if err := w.send(stomp.Send, []byte("x"), "destination", "/topic/hostile/none", "receipt", fmt.Sprint(i, "-", n)); err != nil {
							return err
						}
					}
					if _, err := w.receipt(fmt.Sprint(i, "-", 69)); err != nil {
						if ctx.Err() == nil {
							h.count("refused", 1)
						}
						return err
					}
					return nil
				})
			}, err
		},
		check: func(_ *node, r report) error {
			if r["refused"] > 0 {
				return fmt.Errorf("legal bursts were refused: %v", r)
			}
			return nil
		},
	},
}

const commitSends = 600
