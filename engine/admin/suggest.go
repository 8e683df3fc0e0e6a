package admin

import "strings"

// suggest finds the known name that s was likely meant to be, "" for none. Case, '-' and '_' do not count.
func suggest(s string, known []string) string {
	const most = 64 // longer names are not typing mistakes
	if len(s) > most {
		return ""
	}
	plain := func(s string) string { return strings.NewReplacer("_", "", "-", "").Replace(strings.ToLower(s)) }
	best, found := 3, "" // up to two mistakes
	s = plain(s)
	for _, k := range known {
		p := plain(k)
		d := distance(s, p)
		if strings.HasPrefix(p, s) && len(s) >= 3 || strings.HasPrefix(s, p) && len(p) >= 3 {
			d = min(d, 2)
		}
		if d < best && d < len(p) {
			best, found = d, k
		}
	}
	return found
}

// distance counts the single-byte changes between a and b (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
