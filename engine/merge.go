package engine

import "stentor/engine/shard"

// merge merges the listings of destinations of all loops into one. It holds one step's result of each.
type merge struct{ feeds []feed }

// feed is the listing of one loop.
type feed struct {
	next  func(after string, limit int) (page []shard.DestinationInfo, more bool, err error)
	page  []shard.DestinationInfo // not yet merged
	after string                  // the last name that came
	more  bool                    // may follow page
}

// mergePage is the most destinations of one page.
const mergePage = 512

// page returns the next destinations, limit at most (-1: as many as one page has), and whether more may follow.
func (m *merge) page(limit int) (page []shard.DestinationInfo, more bool, err error) {
	if limit < 0 || limit > mergePage {
		limit = mergePage
	}
	for len(page) < limit {
		lowest := -1
		for i := range m.feeds {
			f := &m.feeds[i]
			if err := f.fill(limit - len(page)); err != nil {
				return page, true, err
			}
			if len(f.page) > 0 && (lowest < 0 || f.page[0].Destination < m.feeds[lowest].page[0].Destination) {
				lowest = i
			}
		}
		if lowest < 0 {
			return page, false, nil
		}
		page = append(page, m.take(m.feeds[lowest].page[0].Destination))
	}
	for i := range m.feeds {
		more = more || len(m.feeds[i].page) > 0 || m.feeds[i].more
	}
	return page, more, nil
}

// fill ensures that the page has something, unless the loop has no more.
func (f *feed) fill(limit int) (err error) {
	for len(f.page) == 0 && f.more && err == nil {
		if f.page, f.more, err = f.next(f.after, limit); len(f.page) > 0 {
			f.after = f.page[len(f.page)-1].Destination
		}
	}
	return err
}

// take removes a destination from all pages that begin with it, and returns its sum.
func (m *merge) take(name string) (sum shard.DestinationInfo) {
	for i := range m.feeds {
		f := &m.feeds[i]
		for len(f.page) > 0 && f.page[0].Destination == name {
			one := f.page[0]
			f.page = f.page[1:]
			sum.Destination = name
			sum.Pattern = sum.Pattern || one.Pattern
			sum.Subscriptions += one.Subscriptions
			sum.Detached += one.Detached
		}
	}
	return sum
}
