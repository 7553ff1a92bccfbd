package drivers

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Parity of a serial line.
type Parity uint8

const (
	ParityNone Parity = iota
	ParityOdd
	ParityEven
	ParityMark
	ParitySpace
)

// Line is the settings of a serial line. The zero value of each field but Baud
// means the usual: 8 data bits, no parity, 1 stop bit, DTR and RTS high.
type Line struct {
	Baud     int
	DataBits int // 5 to 8; 0 is 8
	Parity   Parity
	StopBits int // 1 or 2; 0 is 1
	DTRLow   bool
	RTSLow   bool
}

const parityLetters = "NOEMS" // in the order of Parity

// String gives "9600 8N1", with " dtr=low" and " rts=low" where they are.
func (l Line) String() string {
	bits := l.DataBits
	if bits == 0 {
		bits = 8
	}
	parity := byte('?')
	if int(l.Parity) < len(parityLetters) {
		parity = parityLetters[l.Parity]
	}
	s := fmt.Sprintf("%d %d%c%d", l.Baud, bits, parity, max(l.StopBits, 1))
	if l.DTRLow {
		s += " dtr=low"
	}
	if l.RTSLow {
		s += " rts=low"
	}
	return s
}

var errLine = errors.New("want a line such as 9600 8N1 or 19200 7E1 dtr=low: 50 to 4000000 baud, 5 to 8 bits, N O E M or S, 1 or 2 stop bits")

// ParseLine reads what String gives; the word after the speed may be left out.
// Usual settings come back as zero values.
func ParseLine(s string) (Line, error) {
	words := strings.Fields(s)
	bad := func() (Line, error) { return Line{}, fmt.Errorf("line %q: %w", s, errLine) }
	if len(words) == 0 {
		return bad()
	}
	baud, err := strconv.Atoi(words[0])
	if err != nil || baud < 50 || baud > 4_000_000 {
		return bad()
	}
	l := Line{Baud: baud}
	for i, w := range words[1:] {
		switch {
		case w == "dtr=low":
			l.DTRLow = true
		case w == "rts=low":
			l.RTSLow = true
		case i == 0 && len(w) == 3 && w[0] >= '5' && w[0] <= '8' && (w[2] == '1' || w[2] == '2'):
			parity := strings.IndexByte(parityLetters, w[1])
			if parity < 0 {
				return bad()
			}
			l.Parity = Parity(parity)
			if w[0] != '8' {
				l.DataBits = int(w[0] - '0')
			}
			if w[2] == '2' {
				l.StopBits = 2
			}
		default:
			return bad()
		}
	}
	return l, nil
}
