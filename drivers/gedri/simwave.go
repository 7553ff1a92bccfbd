package gedri

import (
	"encoding/binary"
	"math"
	"slices"
	"time"

	"monitorme/protocol"
)

// waves sends the last block of each wave that was asked for.
func (p *playing) waves(b []byte, at time.Time) []byte {
	if p.WavesEnd > 0 && at.Sub(p.wavesSince) > p.WavesEnd {
		p.types = nil
	}
	for types := range slices.Chunk(p.types, 8) {
		r := p.header(mainWaves, at)
		n := 0
		for _, kind := range types {
			if block := p.block(kind, at); block != nil {
				list(r, n, kind)
				r = append(r, block...)
				n++
			}
		}
		if n > 0 {
			b = send(b, r)
		}
	}
	p.gap = false
	return b
}

// block is a subrecord of a wave that ends at the instant at, or nil if there
// is no such module. Without its leads an ECG goes on as a flat line.
func (p *playing) block(kind byte, at time.Time) []byte {
	t := waveTypes[kind]
	n := int(t.rate) * int(blockTime/time.Millisecond) / 1000
	code, scale := p.waveCode(kind), math.Pow10(int(t.exp))
	if kind == carbonWave {
		amb, ok := p.numeric(ambient, at)
		if !ok {
			return nil
		}
		scale *= math.Round(amb * 10)
	}
	values := make([]float64, n)
	status := uint16(0x0630)
	from := at.Add(-blockTime)
	if !p.patient.Wave(code, from, float64(t.rate), values) && (likely[code] == 0 || !p.patient.Wave(likely[code], from, float64(t.rate), values)) {
		if kind > 3 {
			return nil
		}
		clear(values)
		status |= waveLeadOff
	}
	if p.gap {
		status |= 1
	}
	sub := make([]byte, waveHead+2*n)
	binary.LittleEndian.PutUint16(sub, uint16(n))
	binary.LittleEndian.PutUint16(sub[2:], status)
	for i, v := range values {
		put(sub, waveHead+2*i, int16(math.Round(min(max(v/scale, noNumber+1), math.MaxInt16))))
	}
	return sub
}

// waveCode is what a wave shows, by the labels of the simulated monitor.
func (p *playing) waveCode(kind byte) protocol.Code {
	t := waveTypes[kind]
	switch {
	case t.code != 0:
		return t.code
	case kind <= 3:
		return ecgWaveOf[labels[ecgGroup.at]>>(12-4*t.input)&15]
	case pressureAt[t.input][0] == 0:
		return siteOf(labels[pressureAt[t.input][1]], t.input).code
	}
	return anyPress
}

// shown are the alarms on the screen.
func (p *playing) shown(at time.Time) (all []shown) {
	rate, ok := p.patient.Numeric(protocol.HeartRate, at)
	switch {
	case ok && rate > 150:
		all = append(all, shown{"HR HIGH", 3})
	case ok && rate < 40:
		all = append(all, shown{"HR LOW", 3})
	case !ok:
		all = append(all, shown{"ECG LEADS OFF", 2})
	}
	if v, ok := p.patient.Numeric(protocol.SpO2, at); ok && v < 90 {
		all = append(all, shown{"SPO2 LOW", 2})
	}
	return all
}

// alarms sends the alarms when they have changed.
func (p *playing) alarms(b []byte, at time.Time) []byte {
	now := p.shown(at)
	if !p.telling || slices.Equal(now, p.told) {
		return b
	}
	p.told = now
	return p.alarmRecord(b, at)
}

func (p *playing) alarmRecord(b []byte, at time.Time) []byte {
	r := p.header(mainAlarms, at)
	list(r, 0, 1)
	sub := make([]byte, alarmSize)
	sub[2] = 1 // sound on
	for i, s := range p.told {
		e := sub[alarmFirst+i*alarmEntry:]
		copy(e[:alarmText], s.text)
		e[alarmText] = 1
		e[alarmText+2] = byte(s.colour)
		e[alarmText+4] = 1
	}
	return send(b, append(r, sub...))
}
