package queue

import (
	"encoding/binary"
	"errors"
	"time"

	"monitorme/protocol"
)

// Key layout. Numbers are big-endian, so that keys sort by age.
//
//	m                              meta: numbering, epoch, clean or not
//	s bucket(4) stream(1)          segment: what is live in one bucket of one stream
//	e bucket(4) stream(1) seq(8) count(2)   one entry; its value is below
//	q bucket(4) stream(1) seq(8) count(2)   quarantine: an entry that could not be read
//
// A bucket is a few MiB of readings of all streams in order of arrival. Buckets
// keep what is written together close together, so that compaction of a large
// backlog moves each reading few times, and they are what is dropped at once.
const (
	prefixEntry      = 'e'
	prefixQuarantine = 'q'
	prefixSegment    = 's'

	entryKeySize   = 1 + 4 + 1 + 8 + 2
	segmentKeySize = 1 + 4 + 1
)

var metaKey = []byte{'m'}

// An entry is one stored batch, as its key tells it.
type entry struct {
	bucket uint32
	stream protocol.Stream
	first  uint64
	count  uint16
}

func (e entry) last() uint64 { return e.first + uint64(e.count) - 1 }

func (e entry) key() []byte {
	b := make([]byte, 0, entryKeySize)
	b = append(b, prefixEntry)
	b = binary.BigEndian.AppendUint32(b, e.bucket)
	b = append(b, byte(e.stream))
	b = binary.BigEndian.AppendUint64(b, e.first)
	return binary.BigEndian.AppendUint16(b, e.count)
}

func parseEntry(k []byte) (entry, bool) {
	if len(k) != entryKeySize || k[0] != prefixEntry {
		return entry{}, false
	}
	return entry{
		bucket: binary.BigEndian.Uint32(k[1:]),
		stream: protocol.Stream(k[5]),
		first:  binary.BigEndian.Uint64(k[6:]),
		count:  binary.BigEndian.Uint16(k[14:]),
	}, true
}

// segmentPrefix is what the keys of a segment's entries begin with.
func segmentPrefix(bucket uint32, s protocol.Stream) []byte {
	b := binary.BigEndian.AppendUint32([]byte{prefixEntry}, bucket)
	return append(b, byte(s))
}

// A value is one byte that says what follows, then how to correct the times of
// a batch stamped before the clock was known, then the batch itself.
const (
	valueSynced    = 1
	valueUncertain = 2

	uncertainHeader = 1 + 3*8
)

// A value is the decoded value of an entry.
type value struct {
	uncertain bool
	offset    time.Duration // wall minus mono of the stamp; uncertain only
	base      time.Time     // of the batch; uncertain only
	boot      uint64        // uncertain only
	batch     []byte
}

func (v *value) appendHeader(b []byte) []byte {
	if !v.uncertain {
		return append(b, valueSynced)
	}
	b = append(b, valueUncertain)
	b = binary.BigEndian.AppendUint64(b, uint64(v.offset))
	b = binary.BigEndian.AppendUint64(b, uint64(v.base.UnixMicro()))
	return binary.BigEndian.AppendUint64(b, v.boot)
}

var errNotAnEntry = errors.New("not an entry of this queue")

func parseValue(b []byte) (value, error) {
	switch {
	case len(b) > 1 && b[0] == valueSynced:
		return value{batch: b[1:]}, nil
	case len(b) > uncertainHeader && b[0] == valueUncertain:
		return value{
			uncertain: true,
			offset:    time.Duration(binary.BigEndian.Uint64(b[1:])),
			base:      time.UnixMicro(int64(binary.BigEndian.Uint64(b[9:]))).UTC(),
			boot:      binary.BigEndian.Uint64(b[17:]),
			batch:     b[uncertainHeader:],
		}, nil
	}
	return value{}, errNotAnEntry
}

// meta is what the queue must know besides its entries.
type meta struct {
	epoch   uint64
	boot    uint64 // of the process that wrote it
	clean   bool
	bucket  uint32    // the one being filled
	next    [4]uint64 // by stream: the number of the next reading
	dropped [4]uint64 // by stream: readings dropped since the queue was made
}

const (
	metaVersion = 2
	metaSize    = 1 + 8 + 8 + 1 + 4 + 3*8 + 3*8
)

func (m *meta) encode() []byte {
	b := make([]byte, 0, metaSize)
	b = append(b, metaVersion)
	b = binary.BigEndian.AppendUint64(b, m.epoch)
	b = binary.BigEndian.AppendUint64(b, m.boot)
	b = append(b, byte(btoi(m.clean)))
	b = binary.BigEndian.AppendUint32(b, m.bucket)
	for _, s := range streams {
		b = binary.BigEndian.AppendUint64(b, m.next[s])
		b = binary.BigEndian.AppendUint64(b, m.dropped[s])
	}
	return b
}

func (m *meta) decode(b []byte) error {
	if len(b) != metaSize || b[0] != metaVersion {
		return errors.New("the queue's own record is of another version or damaged")
	}
	m.epoch = binary.BigEndian.Uint64(b[1:])
	m.boot = binary.BigEndian.Uint64(b[9:])
	m.clean = b[17] != 0
	m.bucket = binary.BigEndian.Uint32(b[18:])
	b = b[22:]
	for _, s := range streams {
		m.next[s] = binary.BigEndian.Uint64(b)
		m.dropped[s] = binary.BigEndian.Uint64(b[8:])
		b = b[16:]
	}
	return nil
}

// A segment is what is live of one stream in one bucket. Its record may lag
// behind the entries by one sync interval.
type segment struct {
	bucket    uint32
	stream    protocol.Stream
	epoch     uint64
	low, last uint64 // the live entries lie within
	entries   uint64
	bytes     int64
	oldest    int64 // measured at, microseconds
	newest    int64
	uncertain bool // some time in it is
	dirty     bool // differs from its record
}

func (s *segment) key() []byte {
	b := binary.BigEndian.AppendUint32([]byte{prefixSegment}, s.bucket)
	return append(b, byte(s.stream))
}

func (s *segment) encode() []byte {
	b := make([]byte, 0, 8*8)
	for _, v := range [...]uint64{s.epoch, s.low, s.last, s.entries, uint64(s.bytes), uint64(s.oldest), uint64(s.newest)} {
		b = binary.BigEndian.AppendUint64(b, v)
	}
	return append(b, byte(btoi(s.uncertain)))
}

func decodeSegment(k, b []byte) (*segment, error) {
	if len(k) != segmentKeySize || len(b) != 7*8+1 {
		return nil, errors.New("a segment's record is damaged")
	}
	s := &segment{bucket: binary.BigEndian.Uint32(k[1:]), stream: protocol.Stream(k[5])}
	if s.stream < protocol.StreamEvent || s.stream > protocol.StreamWave {
		return nil, errors.New("a segment's record is damaged: unknown stream")
	}
	var v [7]uint64
	for i := range v {
		v[i] = binary.BigEndian.Uint64(b[i*8:])
	}
	s.epoch, s.low, s.last, s.entries = v[0], v[1], v[2], v[3]
	s.bytes, s.oldest, s.newest, s.uncertain = int64(v[4]), int64(v[5]), int64(v[6]), b[56] != 0
	return s, nil
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}
