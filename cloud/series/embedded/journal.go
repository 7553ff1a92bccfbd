package embedded

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// A journal is a run of files ("segments") of records. A record is
//
//	magic (4 bytes), length (4), CRC-32C of the payload (4), payload
//
// all little endian. Each is written and synced before the next, so that a
// crash can damage only the last, which nobody was told of.
type journal struct {
	dir, name string
	f         *os.File // the segment being written, nil before the first record
	path      string
	seq       uint64
	size      int64
	done      []string // older segments, to be removed once their readings are sealed
	buf       []byte
}

var (
	recordMagic = []byte{0xb5, 'M', 'J', '1'}
	castagnoli  = crc32.MakeTable(crc32.Castagnoli)
)

const (
	recordHead    = 12
	damagedSuffix = ".damaged"
)

// openJournal finds the segments of the journal. It changes nothing.
func openJournal(dir, name string) (*journal, error) {
	j := &journal{dir: dir, name: name}
	files, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, e := range files { // sorted by name, and so by number
		rest, ok := strings.CutPrefix(e.Name(), name+"-")
		rest, aside := strings.CutSuffix(rest, damagedSuffix)
		digits, ok2 := strings.CutSuffix(rest, ".journal")
		if !ok || !ok2 {
			continue
		}
		seq, err := strconv.ParseUint(digits, 16, 64)
		if err != nil {
			return nil, fmt.Errorf("journal %s: the name is not one of ours: move it away", e.Name())
		}
		j.seq = max(j.seq, seq) // also of those set aside: no name is used again
		if aside {
			continue
		}
		j.done = append(j.done, filepath.Join(dir, e.Name()))
	}
	return j, nil
}

// append writes and syncs one record. On an error the segment is left behind
// and the next record begins a new one: after a failed sync nobody knows what
// the disk holds.
func (j *journal) append(payload func([]byte) []byte) (int, error) {
	if j.f == nil {
		if err := j.next(); err != nil {
			return 0, err
		}
	}
	b := payload(append(append(j.buf[:0], recordMagic...), make([]byte, 8)...))
	binary.LittleEndian.PutUint32(b[4:], uint32(len(b)-recordHead))
	binary.LittleEndian.PutUint32(b[8:], crc32.Checksum(b[recordHead:], castagnoli))
	j.buf = b[:0]
	if cap(b) > 4<<20 {
		j.buf = nil
	}
	_, err := j.f.WriteAt(b, j.size)
	if err == nil {
		err = j.f.Sync()
	}
	if err != nil {
		err = fmt.Errorf("write journal %s: %w", j.path, err)
		return 0, errors.Join(err, j.rotate())
	}
	j.size += int64(len(b))
	return len(b), nil
}

func (j *journal) next() error {
	j.seq++
	j.path = filepath.Join(j.dir, fmt.Sprintf("%s-%016x.journal", j.name, j.seq))
	f, err := os.OpenFile(j.path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o640)
	if err != nil {
		return fmt.Errorf("new journal segment: %w", err)
	}
	j.f, j.size = f, 0
	if err := syncDir(j.dir); err != nil {
		return errors.Join(err, j.rotate())
	}
	return nil
}

// rotate ends the segment; the next record begins another.
func (j *journal) rotate() error {
	if j.f == nil {
		return nil
	}
	err := j.f.Close()
	j.done = append(j.done, j.path)
	j.f = nil
	return err
}

func (j *journal) close() error {
	if j.f == nil {
		return nil
	}
	err := j.f.Close()
	j.f = nil
	return err
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return fmt.Errorf("sync directory %s: %w", dir, err)
	}
	return nil
}

// scanRecords calls f for each intact record in the segment b, and says how
// many bytes belong to none. It looks for the next intact record behind a
// damaged one: inside tells that one was found, so that what was lost had been
// acknowledged.
func scanRecords(b []byte, f func(payload []byte) error) (lost int, inside bool, err error) {
	for len(b) > 0 {
		if n, ok := intact(b); ok {
			if err := f(b[recordHead:n]); err != nil {
				return lost, inside, err
			}
			inside = lost > 0
			b = b[n:]
			continue
		}
		skip := bytes.Index(b[1:], recordMagic) + 1
		if skip == 0 {
			skip = len(b)
		}
		lost += skip
		b = b[skip:]
	}
	return lost, inside, nil
}

// intact gives the length of the record at the start of b.
func intact(b []byte) (int, bool) {
	if len(b) < recordHead || !bytes.HasPrefix(b, recordMagic) {
		return 0, false
	}
	n := uint64(binary.LittleEndian.Uint32(b[4:]))
	if n > uint64(len(b)-recordHead) {
		return 0, false
	}
	end := recordHead + int(n)
	return end, crc32.Checksum(b[recordHead:end], castagnoli) == binary.LittleEndian.Uint32(b[8:])
}
