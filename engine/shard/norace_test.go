//go:build !race

package shard

// defaultSeeds is how many seeds the simulation tries unless it is told: some 5 s of a core.
const defaultSeeds = 150
