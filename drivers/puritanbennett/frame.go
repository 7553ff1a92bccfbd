package puritanbennett

import (
	"bytes"

	"monitorme/drivers/framer"
)

// The record: docs/devices/puritanbennett.md, section "Record". It has no check
// sum: everything that can be counted is counted.
const (
	stx         = 0x02
	etx         = 0x03
	maxHead     = 20
	maxData     = 1600
	maxFrame    = maxHead + maxData + 2
	fieldsF     = 169
	fieldsA     = 97
	firstField  = 5  // as the fields are numbered
	maxField    = 24 // the widest has 18
	minDataSize = 1
)

// A head is what stands before the data.
type head struct {
	length       int // of the head, with STX
	full         bool
	data, fields int
}

// parseHead reads a head, or says framer.More or framer.Skip.
func parseHead(b []byte) (h head, more int) {
	const name = "MISC"
	n := min(len(b), len(name))
	switch {
	case string(b[:n]) != name[:n], len(b) > 4 && b[4] != 'A' && b[4] != 'F', len(b) > 5 && b[5] != ',':
		return h, framer.Skip
	case len(b) < 6:
		return h, framer.More
	}
	h.full = b[4] == 'F'
	at, counts := 6, [2]int{}
	for i := range counts {
		digits, blank := 0, false
		for ; ; at++ {
			if at >= maxHead {
				return h, framer.Skip
			}
			if at >= len(b) {
				return h, framer.More
			}
			c := b[at]
			if c == ',' && digits > 0 {
				break
			}
			blank = blank || c == ' ' && digits > 0
			switch {
			case c >= '0' && c <= '9' && !blank && digits < 4:
				counts[i] = counts[i]*10 + int(c-'0')
				digits++
			case c != ' ':
				return h, framer.Skip
			}
		}
		at++
	}
	if at >= len(b) {
		return h, framer.More
	}
	h.length, h.data, h.fields = at+1, counts[0], counts[1]
	if b[at] != stx || h.data < minDataSize || h.data > maxData {
		return h, framer.Skip
	}
	return h, 1
}

// split takes a record apart: it gives its length and its fields, which are
// parts of b, or framer.More or framer.Skip.
func split(b []byte, into [][]byte) (h head, fields [][]byte, n int) {
	h, n = parseHead(b)
	if n <= 0 {
		return h, nil, n
	}
	data := b[h.length:min(len(b), h.length+h.data)]
	for _, c := range data {
		if c < ' ' || c > '~' {
			return h, nil, framer.Skip
		}
	}
	for i, c := range b[h.length+len(data) : min(len(b), h.length+h.data+2)] {
		if c != [2]byte{etx, '\r'}[i] {
			return h, nil, framer.Skip
		}
	}
	switch {
	case len(b) < h.length+h.data+2:
		return h, nil, framer.More
	case bytes.Count(data, []byte{','}) != h.fields || data[len(data)-1] != ',':
		return h, nil, framer.Skip
	}
	fields = into[:0]
	for len(data) > 0 {
		end := bytes.IndexByte(data, ',')
		if end > maxField {
			return h, nil, framer.Skip
		}
		fields = append(fields, bytes.TrimSpace(data[:end]))
		data = data[end+1:]
	}
	return h, fields, h.length + h.data + 2
}
