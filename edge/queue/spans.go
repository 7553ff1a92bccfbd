package queue

import "slices"

// A span is a run of numbers of one stream.
type span struct{ epoch, first, last uint64 }

func (s span) overlaps(t span) bool {
	return s.epoch == t.epoch && s.first <= t.last && t.first <= s.last
}

// spans is a small set of numbers: what is claimed, or what is acknowledged of
// entries that are not acknowledged whole.
type spans []span

// add unites the set with s.
func (p *spans) add(s span) {
	out := (*p)[:0]
	for _, t := range *p {
		near := t.epoch == s.epoch && t.first <= s.last+1 && s.first <= t.last+1
		if !near {
			out = append(out, t)
			continue
		}
		s.first, s.last = min(s.first, t.first), max(s.last, t.last)
	}
	*p = append(out, s)
}

// remove takes s out of the set.
func (p *spans) remove(s span) {
	if !slices.ContainsFunc(*p, s.overlaps) {
		return
	}
	var out spans
	for _, t := range *p {
		if !t.overlaps(s) {
			out = append(out, t)
			continue
		}
		if t.first < s.first {
			out = append(out, span{t.epoch, t.first, s.first - 1})
		}
		if t.last > s.last {
			out = append(out, span{t.epoch, s.last + 1, t.last})
		}
	}
	*p = out
}

// covers tells whether all of s is in the set.
func (p spans) covers(s span) bool {
	for _, t := range p {
		if t.epoch == s.epoch && t.first <= s.first && s.last <= t.last {
			return true
		}
	}
	return false
}

func (p spans) overlaps(s span) bool { return slices.ContainsFunc(p, s.overlaps) }
