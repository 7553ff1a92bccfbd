import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ringSeconds, WaveRing } from './ring';
import type { WaveEvent } from './wire';

const t0 = Date.parse('2026-01-01T00:00:00Z');

function block(at: number, samples: (number | null)[], more: Partial<WaveEvent> = {}): WaveEvent {
  return { bed: 'b', device: 'd', code: 131330, at: new Date(at).toISOString(), rate_hz: 100, scale: 0.5, offset: 10, quality: 'good', samples, ...more };
}

function all(r: WaveRing): number[] {
  return Array.from({ length: r.end - r.begin }, (_, i) => r.at(r.begin + i));
}

test('samples become physical values', () => {
  const r = new WaveRing(100);
  r.push(block(t0, [0, 2, -4]), t0 + 30, 0);
  assert.deepEqual(all(r), [10, 11, 8]);
});

test('blocks that follow each other are joined though their times jitter', () => {
  const r = new WaveRing(100);
  r.push(block(t0, Array(50).fill(1)), t0, 0);
  r.push(block(t0 + 520, Array(50).fill(2)), t0, 0);
  r.push(block(t0 + 985, Array(50).fill(3)), t0, 0);
  assert.equal(r.end, 150);
  assert.ok(all(r).every((v) => !Number.isNaN(v)));
});

test('a lost block stays a gap of its length', () => {
  const r = new WaveRing(100);
  r.push(block(t0, Array(50).fill(1)), t0, 0);
  r.push(block(t0 + 1000, Array(50).fill(2)), t0, 0);
  const v = all(r);
  assert.equal(v.length, 150);
  assert.equal(v.filter(Number.isNaN).length, 50);
  assert.ok(Number.isNaN(v[50]!) && Number.isNaN(v[99]!) && v[100] === 11);
});

test('a missing sample is missing, and so is a block without a signal', () => {
  const r = new WaveRing(100);
  r.push(block(t0, [1, null, 3]), t0, 5);
  assert.ok(Number.isNaN(r.at(1)));
  assert.equal(r.heard, 5);
  r.push(block(t0 + 30, [1, 2, 3], { quality: 'sensor-off' }), t0, 99);
  assert.ok(Number.isNaN(r.at(3)));
  assert.equal(r.heard, 5, 'a sensor that is off is not a signal');
  assert.equal(r.flowing(3000), false);
});

test('a ring keeps the newest and never grows', () => {
  const r = new WaveRing(100);
  const size = r.data.length;
  for (let s = 0; s < ringSeconds * 3; s++) r.push(block(t0 + s * 1000, Array(100).fill(s)), t0 + s * 1000, 0);
  assert.equal(r.data.length, size);
  assert.equal(r.end - r.begin, size);
  assert.equal(r.at(r.end - 1), 10 + 0.5 * (ringSeconds * 3 - 1));
  assert.ok(Number.isNaN(r.at(r.begin - 1)) && Number.isNaN(r.at(r.end)));
});

test('a late block fills its place; one that is too old is left out', () => {
  const r = new WaveRing(100);
  r.push(block(t0, Array(50).fill(1)), t0, 0);
  r.push(block(t0 + 3000, Array(50).fill(3)), t0, 0);
  r.push(block(t0 + 500, Array(250).fill(2)), t0, 0);
  assert.ok(all(r).every((v) => !Number.isNaN(v)));
  assert.equal(r.end, 350);
  assert.equal(r.at(r.end - 1), 11.5);
});

test('a clock that was set begins anew', () => {
  const r = new WaveRing(100);
  r.push(block(t0, Array(50).fill(1)), t0, 0);
  r.push(block(t0 - 86_400_000, Array(50).fill(2)), t0, 0);
  assert.equal(r.end, 50);
  assert.equal(r.at(0), 11);
});

test('lag follows the slowest block and forgets it slowly', () => {
  const r = new WaveRing(100);
  r.push(block(t0, Array(50).fill(1)), t0 + 600, 0);
  r.push(block(t0 + 500, Array(50).fill(1)), t0 + 500 + 900, 0);
  assert.equal(r.lag, 900);
  r.push(block(t0 + 1000, Array(50).fill(1)), t0 + 1000 + 600, 0);
  assert.ok(r.lag < 900 && r.lag > 880);
});
