package tuning

import (
	"fmt"
	"strconv"
	"strings"
)

// Settings returns all settings that apply to the host, with their values, in the order of the table.
func Settings(w Want, h Host) []Setting {
	env := environment(w, h)
	var all []Setting
	for _, d := range table {
		if d.many && w.Connections < manyConnections {
			continue
		}
		switch d.when {
		case perRX:
			for _, n := range h.NICs {
				if n.RX < h.Cores {
					env["queues"] = n.RX
					all = append(all, d.queues(env, n.Name, "rx-", n.RX)...)
				}
			}
		case perTX:
			for _, n := range h.NICs {
				if n.TX > 1 && n.TX < h.Cores {
					all = append(all, d.queues(env, n.Name, "tx-", n.TX)...)
				}
			}
		default:
			if d.counts(w, h) {
				all = append(all, d.setting(env, d.name, 1, 0))
			}
		}
	}
	return all
}

// environment has the values of the names in formulas.
func environment(w Want, h Host) map[string]int64 {
	env := map[string]int64{"connections": w.Connections, "memory": h.Memory, "page": h.Page, "cores": h.Cores, "outgoing": 0}
	if w.Outgoing {
		env["outgoing"] = 1
	}
	for _, n := range named {
		env[n.name] = n.value.eval(env)
	}
	return env
}

func (d *definition) counts(w Want, h Host) bool {
	switch d.when {
	case tracked:
		return h.Conntrack
	case outgoing:
		return w.Outgoing
	case fewQueues:
		for _, n := range h.NICs {
			if n.RX < h.Cores {
				return true
			}
		}
		return false
	case spread:
		for _, n := range h.NICs {
			if n.RX > 1 && h.Cores > 1 {
				return true
			}
		}
		return false
	}
	return true
}

// queues returns the row for each of count queues of a NIC.
func (d *definition) queues(env map[string]int64, nic, prefix string, count int64) []Setting {
	var all []Setting
	for q := range count {
		name := strings.NewReplacer("NIC", nic, "QUEUE", fmt.Sprint(prefix, q)).Replace(d.name)
		all = append(all, d.setting(env, name, count, q))
	}
	return all
}

func (d *definition) setting(env map[string]int64, name string, queues, queue int64) Setting {
	s := Setting{Kind: d.kind, Name: name, Path: path(d.kind, name), Rules: d.rules, Value: d.words, Why: d.why, Below: d.below, Source: d.source, Limits: d.limits}
	switch d.words {
	case "":
		numbers := make([]string, len(d.value))
		for i, f := range d.value {
			numbers[i] = strconv.FormatInt(f.eval(env), 10)
		}
		s.Value = strings.Join(numbers, " ")
	case allCPUs:
		s.Value = cpuMask(env["cores"], 1, 0)
	case shareCPUs:
		s.Value = cpuMask(env["cores"], queues, queue)
	}
	return s
}

// path is the kernel's file of a setting.
func path(kind Kind, name string) string {
	switch kind {
	case Sysctl:
		return "proc/sys/" + strings.ReplaceAll(name, ".", "/")
	case Sys:
		return "sys/" + name
	case Module:
		module, parameter, _ := strings.Cut(name, ".")
		return "sys/module/" + module + "/parameters/" + parameter
	}
	return ""
}

// cpuMask has bits first, first+every, ... below cores, in the kernel's form: words of 32 bits, the highest first.
func cpuMask(cores, every, first int64) string {
	words := make([]string, 0, 1)
	for w := (cores+31)/32 - 1; w >= 0; w-- {
		var bits uint32
		for b := range int64(32) {
			if cpu := w*32 + b; cpu < cores && cpu%every == first {
				bits |= 1 << b
			}
		}
		words = append(words, fmt.Sprintf("%08x", bits))
	}
	return strings.Join(words, ",")
}
