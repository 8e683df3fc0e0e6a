//go:build race

package shard

// defaultSeeds is how many seeds the simulation tries unless it is told: a seed takes 20 times as long with the race detector, some 0.7 s of a core.
const defaultSeeds = 16
