package mindray

import (
	"strconv"
	"time"

	"monitorme/drivers/hl7v2"
)

// echo keeps the connection open, in both directions.
var echo = hl7v2.AppendFrame(nil, []byte("MSH|^~\\&|||||||ORU^R01|106|P|2.3.1|\r"))

const (
	echoEvery = time.Second
	// firstEcho is how long the monitor's first echo is waited for, which ends
	// its first burst: some monitors ignore what they are asked before.
	firstEcho = 5 * time.Second
	// askAgain is how long no number may come before the monitor is asked again.
	askAgain = 10 * time.Second
)

// Kinds of what is asked for.
const (
	askNumbers       = 1
	askPhysiological = 3
	askTechnical     = 4
)

// maxList is how many ids a list may have.
const maxList = 4

// query builds the question for all alarms and the numbers of ids, or all
// numbers if there are none. Its time is the same always, for the driver has no
// clock, and nobody reads it.
func query(ids []int) []byte {
	m := []byte("MSH|^~\\&|||||||QRY^R02|1203|P|2.3.1\rQRD|20261120092800|R|I|Q1|||||RES\r")
	line := func(kind int, ids []int) {
		m = strconv.AppendInt(append(m, "QRF|MON||||0&0^"...), int64(kind), 10)
		if len(ids) == 0 {
			m = append(m, "^1^1^\r"...)
			return
		}
		m = append(m, "^1^0^"...)
		for i, id := range ids {
			if i > 0 {
				m = append(m, '&')
			}
			m = strconv.AppendInt(m, int64(id), 10)
		}
		m = append(m, '\r')
	}
	for from := 0; from < len(ids) || from == 0; from += maxList {
		line(askNumbers, ids[from:min(from+maxList, len(ids))])
	}
	line(askPhysiological, nil)
	line(askTechnical, nil)
	return hl7v2.AppendFrame(nil, m)
}

// queries are the questions that are tried in turn until numbers come: monitors
// differ in what they understand. Settings that name parameters leave one.
func (s Settings) queries() [][]byte {
	if len(s.Parameters) > 0 {
		return [][]byte{query(s.Parameters)}
	}
	var ids []int
	for _, p := range parameters {
		ids = append(ids, p.id)
	}
	return [][]byte{query(ids), query(nil), query(ids[:core])}
}

// An asker knows what is sent and when.
type asker struct {
	forms    [][]byte
	echoed   bool // the monitor's echo was heard
	answered bool // numbers were heard since the last look

	nextEcho time.Duration
	asked    int           // how often
	early    bool          // the first question came before an echo
	works    bool          // numbers came
	since    time.Duration // of the last question, or of the last numbers
}

// Ask implements drivers.Asker.
func (a *asker) Ask(b []byte, now time.Duration) ([]byte, time.Duration) {
	if a.answered {
		a.answered, a.works, a.since = false, true, now
	}
	if now >= a.nextEcho {
		b, a.nextEcho = append(b, echo...), now+echoEvery
	}
	switch {
	case a.asked == 0 && (a.echoed || now >= firstEcho):
		a.early = !a.echoed
	case a.asked > 0 && a.early && a.echoed: // now it listens
		a.early, a.asked = false, a.asked-1
	case a.asked > 0 && now-a.since >= askAgain:
		if a.works { // with this one
			a.asked--
		}
	default:
		return b, a.nextEcho - now
	}
	b = append(b, a.forms[a.asked%len(a.forms)]...)
	a.asked, a.since = a.asked+1, now
	return b, a.nextEcho - now
}
