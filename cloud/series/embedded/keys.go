package embedded

import (
	"encoding/binary"
	"fmt"

	"monitorme/cloud/series"
	"monitorme/cloud/series/packed"
	"monitorme/protocol"

	"github.com/dgraph-io/badger/v4"
)

// Keys of the database, all big endian so that they sort by what they say:
//
//	v                                 version of this layout
//	m                                 state of the sweeps
//	s lane id(4)                      a series: its definition
//	d lane day(4)                     a day that has chunks: when it was last written
//	c lane day(4) id(4) window(2)     a chunk: the window's number within the day
//	x …                               a chunk that could not be read, under its key
//
// Days come before series so that all of a day is dropped at once.

const (
	tagSeries = 's'
	tagDay    = 'd'
	tagChunk  = 'c'
	tagAside  = 'x'
)

// sortableDay makes days before 1970 sort before those after.
func appendDay(b []byte, d int32) []byte {
	return binary.BigEndian.AppendUint32(b, uint32(d)^1<<31)
}

func readDay(b []byte) int32 { return int32(binary.BigEndian.Uint32(b) ^ 1<<31) }

func (l *lane) dayKey(tag byte, d int32) []byte {
	return appendDay(append(make([]byte, 0, 16), tag, l.prefix), d)
}

// seriesOfDay is the common prefix of the chunks of a series on a day.
func (l *lane) seriesOfDay(d int32, id uint32) []byte {
	return binary.BigEndian.AppendUint32(l.dayKey(tagChunk, d), id)
}

func (l *lane) chunkKey(w int64, id uint32) []byte {
	d := l.dayOf(w)
	return binary.BigEndian.AppendUint16(l.seriesOfDay(d, id), uint16(w-int64(d)*(dayMicros/l.window)))
}

// windowOfKey is the window of a chunk's key.
func (l *lane) windowOfKey(k []byte) int64 {
	return int64(readDay(k[2:]))*(dayMicros/l.window) + int64(binary.BigEndian.Uint16(k[10:]))
}

func (l *lane) seriesKey(id uint32) []byte {
	return binary.BigEndian.AppendUint32([]byte{tagSeries, l.prefix}, id)
}

// definition is the value of a series.
func (l *lane) definition(st *state) []byte {
	a := l.attrs[st.attr]
	b := appendKey(nil, st.key)
	b = append(b, a.Kind)
	b = packed.AppendString(b, a.Unit)
	return binary.AppendUvarint(b, uint64(st.longest))
}

func (l *lane) loadDictionary() error {
	return l.each([]byte{tagSeries, l.prefix}, func(k, v []byte) error {
		d := packed.NewDecoder(v)
		st := &state{id: binary.BigEndian.Uint32(k[2:]), key: readKey(d), known: true}
		a := packed.Attr{Kind: d.Byte(), Unit: d.String()}
		st.longest = int64(d.Uvarint())
		if d.Err() != nil || d.Len() != 0 {
			return fmt.Errorf("series %x: its definition %x makes no sense", k, v)
		}
		st.attr = l.intern(a)
		l.addState(st)
		return nil
	})
}

func (l *lane) loadDays() error {
	return l.each([]byte{tagDay, l.prefix}, func(k, v []byte) error {
		if len(k) != 6 || len(v) != 8 {
			return fmt.Errorf("day %x: its value %x makes no sense", k, v)
		}
		l.days[readDay(k[2:])] = int64(binary.BigEndian.Uint64(v))
		return nil
	})
}

func appendKey(b []byte, k series.Key) []byte {
	b = packed.AppendString(b, string(k.Box))
	b = packed.AppendString(b, string(k.Device))
	b = packed.AppendString(b, k.Channel)
	return binary.AppendUvarint(b, uint64(k.Code))
}

func readKey(d *packed.Decoder) series.Key {
	return series.Key{Box: protocol.BoxID(d.String()), Device: protocol.DeviceID(d.String()), Channel: d.String(), Code: protocol.Code(d.Uvarint())}
}

// each calls f for the keys with a prefix.
func (l *lane) each(prefix []byte, f func(k, v []byte) error) error {
	return l.store.db.View(func(txn *badger.Txn) error {
		o := badger.DefaultIteratorOptions
		o.Prefix = prefix
		it := txn.NewIterator(o)
		defer it.Close()
		for it.Rewind(); it.Valid(); it.Next() {
			if err := it.Item().Value(func(v []byte) error { return f(it.Item().Key(), v) }); err != nil {
				return err
			}
		}
		return nil
	})
}

func (st *state) info(l *lane) series.SeriesInfo {
	a := l.attrs[st.attr]
	return series.SeriesInfo{Key: st.key, Kind: protocol.Kind(a.Kind), Unit: protocol.Unit(a.Unit)}
}
