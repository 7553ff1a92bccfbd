import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gapAt, lineOf, nights, sleepSpans } from './gaps';
import type { Series } from './wire';

const t0 = Date.parse('2026-01-01T12:00:00Z');
const iso = (s: number): string => new Date(t0 + s * 1000).toISOString();

function series(more: Partial<Series>): Series {
  return { device: 'd', channel: '', code: 1, label: 'HR', sign: 'heart-rate', unit: '/min', places: 0, kind: 'numeric', gaps: [], ...more };
}

test('between two readings that a gap parts the line is broken', () => {
  const line = lineOf(series({
    points: [[t0, 70, 'good'], [t0 + 1000, 71, 'good'], [t0 + 60_000, 72, 'good']],
    gaps: [{ from: iso(1), to: iso(60), reason: 'box-offline', detail: '' }],
  }));
  assert.deepEqual(line.mean, [70, 71, null, 72]);
  assert.ok(line.times[2]! > line.times[1]! && line.times[2]! < line.times[3]!);
});

test('a gap at the begin breaks nothing', () => {
  const line = lineOf(series({ points: [[t0 + 5000, 70, 'good'], [t0 + 6000, 71, 'good']], gaps: [{ from: iso(0), to: iso(5), reason: 'unknown', detail: '' }] }));
  assert.deepEqual(line.mean, [70, 71]);
});

test('a reading without a good number is no point', () => {
  const line = lineOf(series({ points: [[t0, 70, 'good'], [t0 + 1, 99, 'invalid'], [t0 + 2, null, 'sensor-off'], [t0 + 3, 71, 'questionable']] }));
  assert.deepEqual(line.mean, [70, null, null, 71]);
});

test('buckets give a band', () => {
  const line = lineOf(series({ buckets: [{ t: t0, min: 60, max: 80, mean: 70, count: 5, bad: 0 }, { t: t0 + 1000, min: null, max: null, mean: null, count: 0, bad: 3 }] }));
  assert.deepEqual([line.low, line.mean, line.high], [[60, null], [70, null], [80, null]]);
  assert.equal(line.banded, true);
});

test('a time finds its gap', () => {
  const gaps = [{ from: iso(10), to: iso(20), reason: 'sensor-off', detail: '' }];
  assert.equal(gapAt(gaps, t0 + 15_000)?.reason, 'sensor-off');
  assert.equal(gapAt(gaps, t0 + 20_000), undefined);
});

test('sleep lasts until another word, and not longer than anything is known', () => {
  const min = 60_000;
  const s = series({ texts: [{ t: t0, text: 'awake' }, { t: t0 + min, text: 'light' }, { t: t0 + 3 * min, text: 'deep' }, { t: t0 + 5 * min, text: 'unknown' }, { t: t0 + 9 * min, text: 'rem' }] });
  assert.deepEqual(sleepSpans(s, t0 + 60 * min), [{ from: t0 + min, to: t0 + 5 * min }, { from: t0 + 9 * min, to: t0 + 24 * min }]);
});

test('a day has its night', () => {
  const from = new Date(2026, 0, 1, 12).getTime();
  const spans = nights(from, from + 24 * 3_600_000);
  assert.deepEqual(spans, [{ from: new Date(2026, 0, 1, 22).getTime(), to: new Date(2026, 0, 2, 6).getTime() }]);
});
