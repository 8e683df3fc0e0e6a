package kafka

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

var (
	readyDesc    = desc("ready", "1 once the node has read all pushes from before its start.")
	lateDesc     = desc("late_seconds", "Lateness of the partition that is furthest behind: how long this node took to reach what was its end, or for how long it has known nothing of it.")
	producedDesc = desc("produced_total", "Pushes that Kafka acknowledged.")
	failedDesc   = desc("produce_failed_total", "Pushes that Kafka did not accept.")
	busyDesc     = desc("produce_busy_total", "Pushes refused because too many were waiting for Kafka.")
	gapsDesc     = desc("gaps_total", "Gaps: records were deleted from a partition before this node had read them.")
	rebuildsDesc = desc("clients_rebuilt_total", "Kafka clients that failed permanently and were replaced.")

	servedDesc    = desc("served", "1 from when the node had read everything there was of the project.", "project")
	lagDesc       = desc("lag", "Records in Kafka that this node has not read.", "project")
	recordsDesc   = desc("records_total", "Records read.", "project")
	poisonDesc    = desc("poison_total", "Records that cannot be delivered, skipped.", "project")
	headersDesc   = desc("headers_dropped_total", "Headers that are not passed to clients, by reason. invalid: not UTF-8, too many, too long. reserved: names of STOMP or the server.", "project", "reason")
	keysDesc      = desc("keys_mismatched_total", "Records whose key is not their destination.", "project")
	scatteredDesc = desc("destinations_scattered_total", "Records of a destination that was in another partition before, so that its order is lost.", "project")
	pausesDesc    = desc("pauses_total", "Times that reading a project was paused because its limit was reached.", "project")
	forwardDesc   = desc("forward_failed_total", "Clients' SENDs to the back ends that Kafka did not accept.", "project")
	pausedDesc    = desc("paused", "1 while reading the project is paused.", "project")
)

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("stentor_kafka_"+name, help, labels, nil)
}

// Describe implements prometheus.Collector.
func (b *Bus) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(b, ch) }

// Collect implements prometheus.Collector.
func (b *Bus) Collect(ch chan<- prometheus.Metric) {
	number := func(d *prometheus.Desc, kind prometheus.ValueType, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, kind, v, labels...)
	}
	ready := 0.0
	if b.Ready() == nil {
		ready = 1
	}
	number(readyDesc, prometheus.GaugeValue, ready)
	number(lateDesc, prometheus.GaugeValue, b.reader.lateness().Seconds())
	number(producedDesc, prometheus.CounterValue, float64(b.producer.produced.Load()))
	number(failedDesc, prometheus.CounterValue, float64(b.producer.failed.Load()))
	number(busyDesc, prometheus.CounterValue, float64(b.producer.busy.Load()))
	number(gapsDesc, prometheus.CounterValue, float64(b.reader.gaps.Load()))
	number(rebuildsDesc, prometheus.CounterValue, float64(b.reader.rebuilds.Load()+b.producer.rebuilds.Load()))
	b.forwardFailed.Range(func(project, n any) bool {
		number(forwardDesc, prometheus.CounterValue, float64(n.(*atomic.Uint64).Load()), project.(string))
		return true
	})
	for project, l := range *b.watcher.lives.Load() {
		served := 0.0
		if l.served.Load() {
			served = 1
		}
		number(servedDesc, prometheus.GaugeValue, served, project)
	}
	b.reader.counts.Range(func(project, found any) bool {
		name, c := project.(string), found.(*counts)
		number(lagDesc, prometheus.GaugeValue, float64(c.lag.Load()), name)
		number(recordsDesc, prometheus.CounterValue, float64(c.records.Load()), name)
		number(poisonDesc, prometheus.CounterValue, float64(c.poison.Load()), name)
		number(headersDesc, prometheus.CounterValue, float64(c.headers.Load()), name, "invalid")
		number(headersDesc, prometheus.CounterValue, float64(c.reserved.Load()), name, "reserved")
		number(keysDesc, prometheus.CounterValue, float64(c.keys.Load()), name)
		number(scatteredDesc, prometheus.CounterValue, float64(c.scattered.Load()), name)
		number(pausesDesc, prometheus.CounterValue, float64(c.pauses.Load()), name)
		number(pausedDesc, prometheus.GaugeValue, float64(c.paused.Load()), name)
		return true
	})
}
