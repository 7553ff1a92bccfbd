import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Pulse, ServerClock, silenceLimit } from './clock';
import { ageOf, hasContent, measuredAt, reading, stateOf } from './fresh';
import type { Value } from './wire';

const t0 = Date.parse('2026-01-01T00:00:00Z');
const iso = (ms: number): string => new Date(t0 + ms).toISOString();

function value(more: Partial<Value> = {}): Value {
  return {
    device: 'm', channel: '', code: 147842, ref_id: '', label: 'HR', sign: 'heart-rate', value: 72, text: '', unit: '/min', places: 0,
    quality: 'good', clock: 'synced', at: iso(0), received: iso(100), stale_after_s: 3, ...more,
  };
}

test('a value was measured at the earlier of measured and received', () => {
  assert.equal(measuredAt(value()), t0);
  assert.equal(measuredAt(value({ at: iso(60_000) })), t0 + 100, 'a box whose clock is ahead does not make values younger');
  assert.equal(measuredAt(value({ at: iso(-1e9), clock: 'uncertain' })), t0 + 100, 'a clock that was never set says nothing');
});

test('a value is live until its time is over, then stale', () => {
  const r = reading(value());
  assert.equal(stateOf(r, t0 + 2900, true), 'live');
  assert.equal(stateOf(r, t0 + 3100, true), 'stale');
  assert.equal(ageOf(r, t0 + 3100), 3.1);
  assert.equal(ageOf(r, t0 - 5000), 0);
});

test('nothing is live on a screen that is not', () => {
  assert.equal(stateOf(reading(value()), t0 + 100, false), 'stale');
  assert.equal(stateOf(reading(value({ stale_after_s: 0 })), t0 + 100, false), 'stale');
});

test('an episodic value does not become stale by age', () => {
  assert.equal(stateOf(reading(value({ stale_after_s: 0 })), t0 + 86_400_000, true), 'live');
});

test('only good and questionable values have a number', () => {
  for (const quality of ['unknown', 'invalid', 'missing', 'sensor-off', 'calibrating', 'ongoing', 'overflow', 'underflow', 'demo'] as const) {
    assert.equal(stateOf(reading(value({ quality, value: 72 })), t0, true), 'missing', quality);
  }
  assert.equal(stateOf(reading(value({ value: null })), t0, true), 'missing');
  assert.equal(stateOf(undefined, t0, true), 'missing');
  assert.equal(stateOf(reading(value({ value: 0 })), t0, true), 'live', 'zero is a value');
  assert.equal(hasContent(reading(value({ value: null, text: 'unknown', quality: 'unknown' }))), false);
  assert.equal(hasContent(reading(value({ value: null, text: 'deep', quality: 'good' }))), true);
});

test("the server's time goes on by the monotonic clock", () => {
  let mono = 1000;
  const c = new ServerClock(() => mono);
  assert.ok(Number.isNaN(c.now()));
  c.hear(iso(0));
  mono += 500;
  assert.equal(c.now(), t0 + 500);
});

test('a message that was under way for long does not turn the clock back', () => {
  let mono = 0;
  const c = new ServerClock(() => mono);
  c.hear(iso(0));
  mono = 10_000;
  c.hear(iso(4000)); // six seconds late
  assert.equal(c.now(), t0 + 10_000);
  for (let i = 0; i < 40; i++) { // the server's clock was set back: followed within half a minute
    mono += 1000;
    c.hear(iso(mono - 6000));
  }
  assert.equal(c.now(), t0 + mono - 6000);
});

test('three seconds of silence end the life of a stream, also while the computer slept', () => {
  let mono = 0;
  let wall = 0;
  const p = new Pulse(() => mono, () => wall);
  assert.equal(p.alive(), false);
  p.beat();
  mono = wall = silenceLimit;
  assert.equal(p.alive(), true);
  mono++;
  assert.equal(p.alive(), false);
  p.beat();
  wall += 60_000; // the monotonic clock stood still
  assert.equal(p.alive(), false);
});
