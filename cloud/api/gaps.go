package api

import (
	"cmp"
	"slices"
	"time"

	"monitorme/protocol"
)

// Why a stretch of a series has no numbers.
const (
	gapSensorOff    = "sensor-off"
	gapInvalid      = "invalid"
	gapCalibrating  = "calibrating"
	gapDeviceLost   = "device-lost"
	gapBoxOffline   = "box-offline"
	gapDropped      = "dropped"
	gapPending      = "pending" // the box has the readings still
	gapNotMonitored = "not-monitored"
	gapUnknown      = "unknown"
)

// A gap is a stretch [From, To) without numbers, and why.
type gap struct {
	From, To time.Time
	Reason   string
	Detail   string
}

// rank orders reasons by how well they explain silence: the first that covers
// an instant gives its name to it.
var rank = map[string]int{gapNotMonitored: 1, gapDropped: 2, gapDeviceLost: 3, gapPending: 4, gapBoxOffline: 5, gapUnknown: 9}

// A gapFinder finds the gaps of one series from its readings in order of time.
//
// Silence is a hole if it is longer than the threshold; a hole begins at the
// last reading. A run of readings without a number is a gap of its own if it
// lasts as long as the threshold, 30 s at most; it ends at the next number, or
// a threshold after its last reading. With a threshold of zero nothing is
// expected of the series: silence is a hole only where a cause is known.
type gapFinder struct {
	threshold time.Duration
	holes     []gap
	runs      []gap
	last      time.Time // the last reading, or the beginning of the window
	run       gap       // the run that goes on; Reason "" if none
}

// begin starts a window in which readings are expected.
func (g *gapFinder) begin(at time.Time) { g.last, g.run = at, gap{} }

// reading takes the next one: why it has no number ("" if it has one).
func (g *gapFinder) reading(at time.Time, reason string) {
	silent := at.Sub(g.last) > g.threshold
	if g.run.Reason != "" && (silent || reason != g.run.Reason) {
		g.endRun(at, silent)
	}
	if silent {
		g.holes = append(g.holes, gap{From: g.last, To: at})
	}
	if reason != "" && g.run.Reason == "" {
		g.run = gap{From: at, Reason: reason, Detail: runDetails[reason]}
	}
	g.last = at
}

// end closes the window.
func (g *gapFinder) end(at time.Time) {
	silent := at.Sub(g.last) > g.threshold
	if g.run.Reason != "" {
		g.endRun(at, silent)
	}
	if silent && at.After(g.last) {
		g.holes = append(g.holes, gap{From: g.last, To: at})
	}
}

// endRun closes the run before an instant. If silence lies between, the run's
// last reading counts for one threshold, and the hole begins after it.
func (g *gapFinder) endRun(at time.Time, silent bool) {
	r := g.run
	g.run = gap{}
	if r.To = at; silent {
		r.To = g.last.Add(g.threshold)
		g.last = r.To
	}
	if r.To.Sub(r.From) >= min(g.threshold, 30*time.Second) {
		g.runs = append(g.runs, r)
	}
}

var runDetails = map[string]string{
	gapSensorOff:   "the sensor was off, disconnected or faulty",
	gapInvalid:     "the device or the plausible range rejected the values",
	gapCalibrating: "the device was calibrating, warming up or measuring",
	gapUnknown:     "the device gave no value",
}

// whyNoNumber is the gap reason of a reading's quality, "" if it has a number.
func whyNoNumber(q protocol.Quality) string {
	switch q {
	case protocol.QualityGood, protocol.QualityQuestionable:
		return ""
	case protocol.QualitySensorOff:
		return gapSensorOff
	case protocol.QualityInvalid, protocol.QualityDemo:
		return gapInvalid
	case protocol.QualityCalibrating, protocol.QualityOngoing:
		return gapCalibrating
	default:
		return gapUnknown
	}
}

// explain cuts the holes by their causes and gives all gaps in order of time.
// What no cause covers is unknown; a rest shorter than the threshold beside a
// known cause is taken as part of it, for causes are noticed with delay.
func (g *gapFinder) explain(causes []gap) []gap {
	causes = slices.Clone(causes)
	slices.SortStableFunc(causes, func(a, b gap) int { return cmp.Compare(rank[a.Reason], rank[b.Reason]) })
	out := slices.Clone(g.runs)
	for _, h := range g.holes {
		out = append(out, g.explainHole(h, causes)...)
	}
	slices.SortFunc(out, func(a, b gap) int { return a.From.Compare(b.From) })
	return out
}

func (g *gapFinder) explainHole(hole gap, causes []gap) []gap {
	rest := []gap{hole}
	var found []gap
	for _, c := range causes {
		if !c.From.Before(hole.To) || !c.To.After(hole.From) {
			continue
		}
		var left []gap
		for _, r := range rest {
			from, to := later(r.From, c.From), earlier(r.To, c.To)
			if !from.Before(to) {
				left = append(left, r)
				continue
			}
			found = append(found, gap{from, to, c.Reason, c.Detail})
			if r.From.Before(from) {
				left = append(left, gap{From: r.From, To: from})
			}
			if to.Before(r.To) {
				left = append(left, gap{From: to, To: r.To})
			}
		}
		rest = left
	}
	for _, r := range rest {
		found = append(found, gap{r.From, r.To, gapUnknown, "no readings, and no cause is on record"})
	}
	slices.SortFunc(found, func(a, b gap) int { return a.From.Compare(b.From) })
	return g.absorb(found)
}

// absorb merges neighbours of one reason, and short unknown rests into a known
// neighbour.
func (g *gapFinder) absorb(pieces []gap) []gap {
	var out []gap
	for i, p := range pieces {
		short := p.Reason == gapUnknown && p.To.Sub(p.From) <= g.threshold
		switch {
		case len(out) > 0 && (short || out[len(out)-1].Reason == p.Reason && out[len(out)-1].Detail == p.Detail):
			out[len(out)-1].To = p.To
		case short && i+1 < len(pieces):
			pieces[i+1].From = p.From
		default:
			out = append(out, p)
		}
	}
	if g.threshold == 0 {
		out = slices.DeleteFunc(out, func(p gap) bool { return p.Reason == gapUnknown })
	}
	return out
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// outside is what of [from, to) the given stretches, in order, leave out.
func outside(from, to time.Time, stretches []gap, reason, detail string) []gap {
	var out []gap
	for _, s := range stretches {
		if from.Before(s.From) {
			out = append(out, gap{from, earlier(s.From, to), reason, detail})
		}
		from = later(from, s.To)
	}
	if from.Before(to) {
		out = append(out, gap{from, to, reason, detail})
	}
	return out
}
