package page

// table is what the template shows as one.
type table struct {
	Caption string
	Head    []string
	Rows    []row
}

type row struct {
	Name  string
	Kind  string // "", "total" or "group"
	Cells []cell
}

type cell struct {
	Text, Small string
	Kind        string // "", "bad" or "good"
}

func (t *table) add(name string, cells ...cell) {
	t.Rows = append(t.Rows, row{Name: name, Cells: cells})
}

func text(s string) cell { return cell{Text: s} }

func count(n int64) cell { return cell{Text: whole(n)} }

// wrong is a count that should be 0.
func wrong(n int64) cell {
	c := count(n)
	if n != 0 {
		c.Kind = "bad"
	}
	return c
}

// some is a latency, or empty when none was measured.
func some(us, measured int64) cell {
	if measured == 0 {
		return cell{Text: "–"}
	}
	return cell{Text: micros(float64(us))}
}
