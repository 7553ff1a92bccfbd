package queue

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"monitorme/protocol"
)

// A naive queue: entries in a slice.
type naive struct {
	entries []naiveEntry
	next    [4]uint64
}

type naiveEntry struct {
	stream      protocol.Stream
	first, last uint64
	acked       map[uint64]bool
}

func (n *naive) append(s protocol.Stream, count int) {
	n.entries = append(n.entries, naiveEntry{s, n.next[s], n.next[s] + uint64(count) - 1, map[uint64]bool{}})
	n.next[s] += uint64(count)
}

func (n *naive) ack(s protocol.Stream, first, last uint64) {
	n.entries = slices.DeleteFunc(n.entries, func(e naiveEntry) bool {
		if e.stream != s {
			return false
		}
		for seq := max(first, e.first); seq <= min(last, e.last); seq++ {
			e.acked[seq] = true
		}
		return uint64(len(e.acked)) == e.last-e.first+1
	})
}

func (n *naive) live(s protocol.Stream) (seqs []uint64) {
	for _, e := range n.entries {
		if e.stream == s {
			for seq := e.first; seq <= e.last; seq++ {
				seqs = append(seqs, seq)
			}
		}
	}
	return seqs
}

// Whatever is appended, claimed, released, acknowledged in part or out of order
// and however often the queue is stopped: what is left is what a naive queue
// has left, and all of it comes.
func TestAcknowledgementsAgreeWithANaiveQueue(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		cfg := testConfig(t.TempDir())
		q := openTest(t, cfg)
		defer func() { q.Close() }()
		q.bucketBytes = 2000 // many buckets
		n := &naive{next: [4]uint64{0, 1, 1, 1}}
		at := time.Duration(0)
		forgetful := false // a stop forgets what is acknowledged in part
		var claims []protocol.Ack
		rt.Repeat(map[string]func(*rapid.T){
			"append": func(rt *rapid.T) {
				at += time.Second
				k := rapid.IntRange(1, 5).Draw(rt, "count")
				s := rapid.SampledFrom(streams[:]).Draw(rt, "stream")
				var obs []protocol.Observation
				for range k {
					switch s {
					case protocol.StreamEvent:
						obs = append(obs, event(at, "e"))
					case protocol.StreamWave:
						obs = append(obs, wave(at, 20))
					default:
						obs = append(obs, numeric(at, 1))
					}
				}
				mustAppend(t, q, at, obs...)
				n.append(s, k)
			},
			"age": func(*rapid.T) { q.age() },
			"claim": func(rt *rapid.T) {
				lane := rapid.SampledFrom([]protocol.Lane{protocol.LaneLive, protocol.LaneWave, protocol.LaneBackfill}).Draw(rt, "lane")
				if b, ack := next(t, q, lane); b != nil {
					claims = append(claims, ack)
				}
			},
			"release": func(rt *rapid.T) {
				for _, c := range claims {
					q.Release(c)
				}
				claims = nil
			},
			"ack": func(rt *rapid.T) {
				s := rapid.SampledFrom(streams[:]).Draw(rt, "stream")
				first := rapid.Uint64Range(1, n.next[s]).Draw(rt, "first")
				last := first + rapid.Uint64Range(0, 8).Draw(rt, "more")
				if err := q.Ack(names(s, span{q.Epoch(), first, last})); err != nil {
					rt.Fatal(err)
				}
				n.ack(s, first, last)
			},
			"stop": func(rt *rapid.T) {
				if rapid.Bool().Draw(rt, "killed") {
					died := false // somewhere in a flush
					for _, step := range []func() error{q.writeRecords, q.deleteDead, q.endSegments} {
						if died = died || rapid.Bool().Draw(rt, "died"); died {
							break
						}
						if err := step(); err != nil {
							rt.Fatal(err)
						}
					}
					crash(t, q)
					forgetful = true // the deletes may be lost too
				} else {
					for _, l := range q.logs[1:] {
						forgetful = forgetful || len(l.partial) > 0
					}
					q.Close()
				}
				q = openTest(t, cfg)
				q.bucketBytes = 2000
				claims = nil
			},
			"sync": func(rt *rapid.T) {
				if err := q.Sync(); err != nil {
					rt.Fatal(err)
				}
			},
			"": func(rt *rapid.T) {
				if q.meta.next != n.next {
					rt.Fatalf("the next numbers are %v, want %v", q.meta.next, n.next)
				}
				if s := q.Stats(); !forgetful && int(s.Entries) != len(n.entries) {
					rt.Fatalf("%d entries, want %d", s.Entries, len(n.entries))
				}
			},
		})
		for _, c := range claims {
			q.Release(c)
		}
		got := drain(t, q)
		for _, s := range streams {
			want := n.live(s)
			if forgetful { // nothing lost, but some may come again
				for _, seq := range want {
					if !slices.Contains(got[s], seq) {
						rt.Fatalf("%s %d is lost", s, seq)
					}
				}
				continue
			}
			if fmt.Sprint(got[s]) != fmt.Sprint(want) {
				rt.Fatalf("%s: got %v, want %v", s, got[s], want)
			}
		}
		if st := q.Stats(); st.Entries != 0 || st.Bytes != 0 {
			rt.Fatalf("after the drain %+v", st)
		}
	})
}

func TestSpansAgreeWithASetOfNumbers(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var p spans
		set := map[uint64]bool{}
		for range rapid.IntRange(1, 30).Draw(rt, "steps") {
			first := rapid.Uint64Range(1, 40).Draw(rt, "first")
			s := span{1, first, first + rapid.Uint64Range(0, 10).Draw(rt, "more")}
			add := rapid.Bool().Draw(rt, "add")
			if add {
				p.add(s)
			} else {
				p.remove(s)
			}
			for seq := s.first; seq <= s.last; seq++ {
				set[seq] = add
			}
			for seq := uint64(1); seq <= 52; seq++ {
				one := span{1, seq, seq}
				if p.covers(one) != set[seq] || p.overlaps(one) != set[seq] || p.covers(span{2, seq, seq}) {
					rt.Fatalf("%d: covers %v overlaps %v, want %v in %v", seq, p.covers(one), p.overlaps(one), set[seq], p)
				}
			}
		}
	})
}
