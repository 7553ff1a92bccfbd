//go:build race

package drivertest

// The race detector is looked for in run loops, not in pure decoders, which it
// makes some twenty times slower: less work for those.
const (
	work        = 1 << 20
	garbageSize = 1 << 18
)
