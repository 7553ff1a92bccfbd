//go:build !race

package drivertest

const (
	// work is how many bytes one check of one capture may decode: enough to cut
	// a capture of 8 KiB at every place; a longer one is sampled.
	work = 64 << 20
	// garbageSize is how much garbage of each kind a decoder is fed.
	garbageSize = 1 << 20
)
