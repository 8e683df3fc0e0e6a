package admin

import (
	"container/heap"
	"container/list"
)

// crowd is connections by owner, the longest waiting first. It knows which owner has the most.
type crowd struct {
	groups map[string]*group
	most   groups
	n      int
}

// group is the connections of one owner.
type group struct {
	name  string
	conns list.List
	at    int // in crowd.most
}

// groups is a heap with the largest first.
type groups []*group

func (g groups) Len() int           { return len(g) }
func (g groups) Less(i, j int) bool { return g[i].conns.Len() > g[j].conns.Len() }
func (g groups) Swap(i, j int)      { g[i], g[j] = g[j], g[i]; g[i].at, g[j].at = i, j }
func (g *groups) Push(x any)        { x.(*group).at = len(*g); *g = append(*g, x.(*group)) }
func (g *groups) Pop() any {
	last := (*g)[len(*g)-1]
	*g = (*g)[:len(*g)-1]
	return last
}

// place is where a connection stands in a crowd; the zero place is nowhere.
type place struct {
	crowd *crowd
	group *group
	at    *list.Element
}

// enter adds c behind the others of name.
func (w *crowd) enter(name string, c *conn) place {
	g := w.groups[name]
	if g == nil {
		g = &group{name: name}
		if w.groups == nil {
			w.groups = map[string]*group{}
		}
		w.groups[name] = g
		heap.Push(&w.most, g)
	}
	at := g.conns.PushBack(c)
	heap.Fix(&w.most, g.at)
	w.n++
	return place{w, g, at}
}

func (p place) leave() {
	if p.crowd == nil {
		return
	}
	p.group.conns.Remove(p.at)
	p.crowd.n--
	if p.group.conns.Len() > 0 {
		heap.Fix(&p.crowd.most, p.group.at)
		return
	}
	heap.Remove(&p.crowd.most, p.group.at)
	delete(p.crowd.groups, p.group.name)
}

// longest is the longest waiting connection of the largest group, nil for none.
func (w *crowd) longest() *conn {
	if len(w.most) == 0 {
		return nil
	}
	return w.most[0].conns.Front().Value.(*conn)
}
