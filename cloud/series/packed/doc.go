// Package packed is the compact form of readings: columns of integers,
// samples, and the readings of one or many series together. The embedded
// store keeps it on disk, in its journal and in its chunks, and the processes
// of a split deployment send it to each other.
//
// It is lossless and pure: no I/O, no clock. A decoder given damaged bytes
// returns an error; it never panics and never allocates more than its input
// can justify.
package packed
