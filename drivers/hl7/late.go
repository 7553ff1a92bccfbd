package hl7

import "time"

const (
	lateFrom   = 10 * time.Second // what is less may be the network, or clocks that count in seconds
	stretch    = 10 * time.Minute // for which the quickest message counts, and once more; a clock drifts less
	idle       = 5 * time.Second  // a pause between messages counts as that much of a stretch
	setBackFor = 10               // messages in a row from before the newest: a clock was set back, and nothing came late
	standsFor  = 30               // messages in a row with one time: the clock stands
)

// A pace finds messages that come late: a sender that has stored them while
// nobody listened sends them one after the other, and each would pass for what
// is now. The clocks of both sides need not agree: measured is how much longer
// than the quickest message before it one has taken.
type pace struct {
	begun    bool
	quickest [2]time.Duration // arrived minus sent, in this stretch and in the one before
	length   time.Duration    // of this stretch so far
	arrived  time.Duration    // the last message
	newest   time.Time        // the latest time that a message was sent
	back     int              // messages in a row that were sent well before that
	stands   int              // likewise that were sent at that time: a clock that stands tells nothing
}

// late gives how late a message comes that was sent at a time of its sender's
// clock; arrived is of a clock that never steps.
func (p *pace) late(arrived time.Duration, sent time.Time) time.Duration {
	took := arrived - sent.Sub(time.Unix(0, 0))
	if p.back++; !sent.Before(p.newest.Add(-lateFrom)) {
		p.back = 0
	}
	if p.stands++; !sent.Equal(p.newest) {
		p.stands = 0
	}
	if !p.begun || p.back >= setBackFor {
		*p = pace{begun: true, quickest: [2]time.Duration{took, took}, arrived: arrived, newest: sent}
		return 0
	}
	p.length += min(max(arrived-p.arrived, 0), idle)
	p.arrived = arrived
	if sent.After(p.newest) {
		p.newest = sent
	}
	if p.length >= stretch {
		p.length, p.quickest = 0, [2]time.Duration{took, p.quickest[0]}
	}
	p.quickest[0] = min(p.quickest[0], took)
	if p.stands > standsFor {
		return 0
	}
	if by := took - min(p.quickest[0], p.quickest[1]); by >= lateFrom {
		return by
	}
	return 0
}
