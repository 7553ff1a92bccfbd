// Package embedded is the series store of a single server: chunks in Badger,
// behind a journal of its own.
//
//	Append ─> group commit ─> journal (synced) ─> heads in memory ─seal─> chunks in Badger
//
// Readings (numbers, words, events) and waveforms are two lanes that share
// nothing but the database: a flood of samples does not hold up a number.
// Concurrent Appends are written and synced as one record of the lane's
// journal; only then do they return, and only then are they visible. Every so
// often Run seals the heads: merges them into chunks, one per series and fixed
// window of time, and deletes the journal behind them. After a crash Open
// reads the journal back.
//
// The first reading of a microsecond stays: chunks are older than heads, and
// win. Retention drops whole days, some time after they were last written.
//
// Nothing here is wiped because it cannot be read: Open fails and says what to
// do. docs/adr/0004-embedded-time-series-store.md has the reasons.
package embedded
