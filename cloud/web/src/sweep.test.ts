import assert from 'node:assert/strict';
import { test } from 'node:test';
import { lookOf, Playhead, pxPerMm, Scale } from './sweep';

test('waves have their customary place, colour and speed', () => {
  assert.deepEqual([lookOf(131330).label, lookOf(131330).colour, lookOf(131330).speed], ['II', 'green', 25]);
  assert.deepEqual([lookOf(150452).colour, lookOf(150452).speed], ['cyan', 25]);
  assert.deepEqual([lookOf(150036).colour, lookOf(150036).speed], ['red', 25]);
  assert.equal(lookOf(151780).speed, 6.25);
  const order = [131330, 131329, 150036, 150452, 151780].map((c) => lookOf(c).order);
  assert.deepEqual(order, [...order].sort((a, b) => a - b));
});

test('a flat ECG stays flat', () => {
  const s = new Scale('ecg');
  s.fit({ low: -0.01, high: 0.01 }, 150);
  assert.equal(s.gain, 20);
  assert.ok(s.high - s.low > 1.5, `${s.high - s.low} mV`);
});

test('an ECG has a customary gain that fits', () => {
  const s = new Scale('ecg');
  s.fit({ low: -0.3, high: 1.1 }, 150);
  assert.equal(s.gain, 10);
  assert.ok(s.low <= -0.3 && s.high >= 1.1);
  assert.ok(Math.abs((s.high - s.low) * 10 * pxPerMm - 150) < 1e-6);
  assert.equal(s.fit({ low: -0.28, high: 1.05 }, 150), false, 'it does not change with every beat');
});

test('a pressure that fades is not stretched to fill', () => {
  const s = new Scale('pressure');
  s.fit({ low: 70, high: 120 }, 150);
  assert.ok(s.low <= 70 && s.high >= 120);
  s.fit({ low: 94, high: 96 }, 150);
  assert.ok(s.high - s.low >= 30);
});

test('the playhead waits for the slowest block and runs smoothly', () => {
  const p = new Playhead();
  let now = 1_000_000;
  assert.equal(p.step(now, 600, 16), true, 'the first step jumps');
  assert.equal(p.head, now - 850);
  for (let i = 0; i < 300; i++) {
    const before = p.head;
    now += 16;
    assert.equal(p.step(now, i < 100 ? 600 : 900, 16), false);
    const moved = p.head - before;
    assert.ok(moved >= 8 && moved <= 24, `moved ${moved} ms in 16`);
  }
  assert.ok(Math.abs(p.head - (now - 1150)) < 60);
  assert.equal(p.step(now + 60_000, 900, 16), true, 'after a break it jumps');
});
