package alarm

import (
	"slices"

	"monitorme/protocol"
)

// maxGaps bounds how many runs of unseen numbers a stream remembers; beyond it
// the two lowest are merged, so that a redelivery between them is evaluated
// again, which gives the same alarms with the same ids.
const maxGaps = 32

// A stream remembers which numbers of one stream of a box were seen, so that a
// redelivered reading changes nothing and order is that of the numbers, not of
// a clock.
type stream struct {
	Epoch uint64
	High  uint64           // the highest number seen
	Live  uint64           // the highest number seen on the live lane
	First uint64           // numbers below were never awaited: first contact
	Gaps  []protocol.Range // unseen runs between First and High, ascending
}

// A place is where a number stands in its stream.
type place uint8

const (
	inOrder   place = iota // newer than all before
	straggler              // not seen before, but later ones were
	duplicate
)

// place tells where number n stands, without noting it.
func (q *stream) place(epoch, n uint64) place {
	switch {
	case epoch != q.Epoch || n > q.High:
		return inOrder
	case n < q.First:
		return straggler
	}
	for _, g := range q.Gaps {
		if n >= g.First && n <= g.Last {
			return straggler
		}
	}
	return duplicate
}

// complete reports whether every number from n on is known, up to one that was
// news when it came.
func (q *stream) complete(n uint64) bool {
	return n < q.Live && (len(q.Gaps) == 0 || q.Gaps[len(q.Gaps)-1].Last < n)
}

// note takes the numbers r of an epoch as seen.
func (q *stream) note(epoch uint64, r protocol.Range) {
	switch {
	case epoch != q.Epoch || q.High == 0:
		*q = stream{Epoch: epoch, High: r.Last, First: r.First, Gaps: q.Gaps[:0]}
		return
	case r.First > q.High+1:
		q.Gaps = append(q.Gaps, protocol.Range{First: q.High + 1, Last: r.First - 1})
		if len(q.Gaps) > maxGaps {
			q.Gaps[1].First = q.Gaps[0].First
			q.Gaps = slices.Delete(q.Gaps, 0, 1)
		}
	case r.First <= q.High && len(q.Gaps) > 0:
		q.fill(r)
	}
	q.High = max(q.High, r.Last)
}

// fill takes r out of the gaps.
func (q *stream) fill(r protocol.Range) {
	for i := 0; i < len(q.Gaps); i++ {
		g := q.Gaps[i]
		if r.Last < g.First || r.First > g.Last {
			continue
		}
		left, right := g, g
		left.Last, right.First = r.First-1, r.Last+1
		switch {
		case r.First <= g.First && r.Last >= g.Last:
			q.Gaps = slices.Delete(q.Gaps, i, i+1)
			i--
		case r.First <= g.First:
			q.Gaps[i] = right
		case r.Last >= g.Last:
			q.Gaps[i] = left
		default:
			q.Gaps[i] = left
			q.Gaps = slices.Insert(q.Gaps, i+1, right)
			i++
		}
	}
}
