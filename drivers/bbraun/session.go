package bbraun

import (
	"time"

	"monitorme/drivers"
)

// All that is ever asked. Nothing here, nor anywhere in BCC, sets a pump.
const (
	askAlive   = "ADMIN:ALIVE"
	askVersion = "ADMIN:VERSION"
	askPumps   = "MEM:GET"
	anyBed     = "1" // for ALIVE, whose answer has the bed id
)

const (
	listenFirst = 3 * time.Second        // for a rack that talks by itself
	beforeReply = 100 * time.Millisecond // before each ACK and NAK
	between     = 500 * time.Millisecond // after a reply, before a request
	pollEach    = 5 * time.Second
	answerIn    = 5 * time.Second  // after the last byte
	blockIn     = 30 * time.Second // however slowly it comes
	lateAnswer  = 15 * time.Second // after a request, an answer may be to that
	cyclicQuiet = 2 * time.Minute  // a rack that talked by itself, and has stopped
	cyclicWait  = time.Minute      // for a rack that perhaps does
	tellAgain   = 20 * time.Second // of silence: before the box gives the rack up as lost
	mostNAKs    = 3
	mostSilent  = 3 // requests for the pumps without a byte, of a rack that answers to ALIVE
)

type step uint8

const (
	listening step = iota // at the beginning, and after an answer until it is time to ask
	awaitAlive
	awaitVersion
	awaitPumps
	cyclic // the rack talks by itself: nothing is asked
)

// An asker is the decoder that also knows what to say: docs/devices/bbraun.md,
// section "Conversation".
type asker struct {
	*decoder
	step step
	// What is asked next, at due, if step is listening.
	next string
	due  time.Duration

	reply   byte // to be sent at replyAt, 0 if none
	replyAt time.Duration
	naks    int // since the last good block

	plain     bool          // requests are sent without stuffing
	deadline  time.Duration // for the answer
	latest    time.Duration // it is never put off beyond
	asked     time.Duration // when the pumps were last asked for
	everAsked bool
	cycles    int    // answers that came unasked
	versioned bool   // the version was answered, or asked for in vain
	bytes     uint64 // heard before
	good      time.Duration
	quiet     bool   // for tellAgain since good, the last good block
	silent    int    // requests for the pumps in turn after which not a byte came
	before    uint64 // bytes heard before the last one
}

func newAsker(bed string) func() drivers.Asker {
	return func() drivers.Asker {
		return &asker{decoder: makeDecoder(bed), next: askAlive, due: listenFirst}
	}
}

// Ask implements drivers.Asker.
func (a *asker) Ask(b []byte, now time.Duration) ([]byte, time.Duration) {
	a.hear(now)
	if a.reply != 0 && now >= a.replyAt {
		b, a.reply = append(b, a.reply), 0
		a.await(now)
	}
	if a.reply == 0 {
		if a.step != listening && now >= a.deadline {
			a.unanswered(now)
		}
		if a.step == listening && now >= a.due {
			b = a.ask(b, now)
		}
	}
	wake := a.deadline
	if a.reply != 0 {
		wake = a.replyAt
	} else if a.step == listening {
		wake = a.due
	}
	if !a.quiet && now-a.good >= tellAgain {
		a.quiet = true
		a.standAgain()
	} else if !a.quiet {
		wake = min(wake, a.good+tellAgain)
	}
	return b, max(wake-now, time.Millisecond)
}

// hear takes what was heard since the last call.
func (a *asker) hear(now time.Duration) {
	n := a.decoder.news
	a.decoder.news = news{}
	if heard := a.Stats().Bytes; heard != a.bytes {
		a.bytes = heard
		if a.step != listening && a.step != cyclic {
			a.deadline = min(now+answerIn, a.latest)
		}
	}
	switch n.reply {
	case nak:
		if a.naks++; a.naks <= mostNAKs {
			a.reply, a.replyAt = nak, now+beforeReply
		} else if a.naks, a.reply = 0, 0; a.step != cyclic {
			a.later(askAlive, now+between)
		}
	case ack:
		if n.form != neutral {
			a.plain = n.form == plain
		}
		a.good, a.quiet = now, false
		a.naks, a.reply, a.replyAt = 0, ack, now+beforeReply
		a.answered(n, now)
	}
}

// answered decides what comes after a good block.
func (a *asker) answered(n news, now time.Duration) {
	soon := now + beforeReply + between
	switch {
	case n.foreign:
		if a.versioned = false; a.pinned {
			soon = now + pollEach
		}
		if a.step != cyclic {
			a.later(askAlive, soon)
		}
	case a.step == cyclic && n.data:
		a.cycle(n.last, now)
	case n.data && a.step != awaitPumps && (!a.everAsked || now-a.asked > lateAnswer):
		a.step, a.cycles = cyclic, 0
		a.cycle(n.last, now)
	case !n.last, a.step == listening:
	case a.step == awaitAlive && n.alive:
		if a.later(askVersion, soon); a.versioned {
			a.next = askPumps
		}
	case a.step == awaitVersion && !n.data:
		a.versioned = true
		a.later(askPumps, soon)
	case a.step == awaitPumps && n.data:
		a.silent = 0
		a.later(askPumps, max(soon, a.asked+pollEach))
	case n.refused:
		a.later(askAlive, now+answerIn)
	}
}

// cycle handles a block that came unasked. One answer may be an old one, sent
// again.
func (a *asker) cycle(last bool, now time.Duration) {
	if last {
		a.cycles++
	}
	if a.deadline = now + lateAnswer; a.cycles > 1 {
		a.deadline = now + cyclicQuiet
	}
}

func (a *asker) later(request string, at time.Duration) {
	a.step, a.next, a.due = listening, request, at
}

// await gives the answer its time.
func (a *asker) await(now time.Duration) {
	if a.step != listening && a.step != cyclic {
		a.deadline, a.latest = now+answerIn, now+blockIn
	}
}

// unanswered begins anew. Requests change their form with each ALIVE that is
// not answered: in the wrong one the rack sees neither length nor check right.
func (a *asker) unanswered(now time.Duration) {
	switch a.step {
	case awaitAlive:
		a.plain = !a.plain
	case awaitVersion:
		a.versioned = true
	case awaitPumps:
		if a.bytes != a.before {
			a.silent = 0
		} else if a.silent++; a.silent == mostSilent {
			a.step, a.deadline, a.cycles, a.silent = cyclic, now+cyclicWait, 1, 0
			return
		}
	}
	a.later(askAlive, now)
}

// ask puts the request whose time has come.
func (a *asker) ask(b []byte, now time.Duration) []byte {
	f, bed := stuffed, a.bed
	if a.plain {
		f = plain
	}
	switch a.next {
	case askAlive:
		a.step, bed = awaitAlive, anyBed
	case askVersion:
		a.step = awaitVersion
	case askPumps:
		a.step, a.asked, a.everAsked, a.before = awaitPumps, now, true, a.bytes
	}
	a.await(now)
	return appendBlock(b, bed, a.next, true, f)
}
