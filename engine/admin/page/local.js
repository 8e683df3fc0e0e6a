// This node as the list of nodes would have it, read from its metrics: for a project's key, which may not see the list.
import { Rates } from "./rates.js";

const rates = new Rates();

// sums adds up the samples of each name in Prometheus' text, whatever their labels.
export function sums(text) {
  const all = {};
  for (const line of text.split("\n")) {
    const found = /^([a-z_:]+)(?:\{.*\})? (\S+)/.exec(line);
    if (found) all[found[1]] = (all[found[1]] ?? 0) + Number(found[2]);
  }
  return all;
}

// local answers {nodes: [the node]}, as GET /v1/nodes does.
export async function local() {
  const response = await fetch("/metrics", { cache: "no-store" });
  if (!response.ok) throw new Error(`the metrics are answered with ${response.status}`);
  const m = sums(await response.text());
  const at = performance.now();
  const cores = Math.max(1, (m.go_sched_gomaxprocs_threads ?? 2) - 1); // one processor more than loops
  return {
    nodes: [{
      id: "this node", self: true, state: "up", ready: m.stentor_ready === 1,
      capacity: m.stentor_connections_max, connections: m.stentor_connections, opening: rates.of("opening", m.stentor_accepted_total, at),
      deliveries: rates.of("deliveries", m.stentor_deliveries_total, at), cpu: rates.of("cpu", m.process_cpu_seconds_total, at) / cores,
      memory: m.process_resident_memory_bytes, late_ms: (m.stentor_kafka_late_seconds ?? 0) * 1000, heard_ms: 0,
    }],
  };
}
