package spring

import (
	"errors"

	"stentor/bench/gen/result"
)

// Figures are what one run says of a server.
type Figures struct {
	Server      string  `json:"server"`
	Connections int     `json:"connections"` // wanted
	Asked       int     `json:"asked"`       // deliveries a second
	Held        int     `json:"held"`        // connections open when the pushes ended
	OpenP99     int64   `json:"open_p99_us"`
	Memory      float64 `json:"memory"` // bytes for each connection, by the growth of the resident memory
	Delivered   float64 `json:"delivered"`
	CPU         float64 `json:"cpu_us"` // for each delivery
	P50         int64   `json:"p50_us"`
	P99         int64   `json:"p99_us"`
	Lost        int64   `json:"lost"`
	Disordered  int64   `json:"disordered"` // messages that came before an earlier one
	Repeated    int64   `json:"repeated"`
	Failed      int64   `json:"failed"` // connections and pushes
	MostRSS     int64   `json:"most_rss_bytes"`
}

// figures reads them from a result of broadcast. base is the server's resident memory without connections, 0 where what
// the run before has left would spoil the growth.
func figures(r *result.Result, base int64) (f Figures, err error) {
	open, push := phase(r, "open"), phase(r, "push")
	if open == nil || push == nil {
		return f, errors.New("the run ended before its pushes")
	}
	f.OpenP99 = open.Connecting.P99
	end := push.Begin + push.Seconds
	var first, last, held *result.Second // with the server's memory and CPU
	var delivered, since int64           // from first to last, and from first on
	for i := range r.Series {
		s := &r.Series[i]
		if s.At > end {
			break
		}
		f.Held = s.Connected
		since += s.Delivered
		switch {
		case s.Server == nil:
		case s.At <= push.Begin:
			held = s
		case first == nil:
			first, since = s, 0
		default:
			last, delivered = s, since
		}
	}
	for i := range r.Series {
		if s := r.Series[i].Server; s != nil {
			f.MostRSS = max(f.MostRSS, s.RSS)
		}
	}
	if held != nil && base > 0 && held.Connected > 0 {
		f.Memory = float64(held.Server.RSS-base) / float64(held.Connected)
	}
	if last != nil {
		f.Delivered = float64(delivered) / (last.At - first.At)
		if delivered > 0 {
			f.CPU = (last.Server.CPUSeconds - first.Server.CPUSeconds) * 1e6 / float64(delivered)
		}
	}
	latency := push.Latency
	if s := phase(r, "settle"); s != nil && s.Latency.Count > 0 { // what came late counts too
		a, err := push.Latency.Decode()
		if err != nil {
			return f, err
		}
		b, err := s.Latency.Decode()
		if err != nil {
			return f, err
		}
		a.Merge(b)
		if latency, err = result.NewLatency(a); err != nil {
			return f, err
		}
	}
	f.P50, f.P99 = latency.P50, latency.P99
	all := r.Total()
	f.Lost, f.Disordered, f.Repeated = all.Order.Lost, all.Order.Reordered, all.Order.Repeated
	for _, n := range all.Failures {
		f.Failed += n
	}
	return f, nil
}

func phase(r *result.Result, name string) *result.Phase {
	for i := range r.Phases {
		if r.Phases[i].Name == name {
			return &r.Phases[i]
		}
	}
	return nil
}
