import assert from 'node:assert/strict';
import { test } from 'node:test';
import { reading, type Reading } from './fresh';
import { Rotation, hold, turn } from './rotation';
import { other, others, sleeping, sleepCode, vital, type Source } from './vitals';
import type { Value } from './wire';

const now = Date.parse('2026-01-01T00:00:00Z');
const m = { now, live: true };

function value(code: number, v: number | null, more: Partial<Value> & { ageS?: number } = {}): Reading {
  const at = new Date(now - (more.ageS ?? 1) * 1000).toISOString();
  return reading({
    device: 'm', channel: '', code, ref_id: '', label: `L${code}`, sign: '', value: v, text: '', unit: '/min', places: 0, quality: v === null ? 'missing' : 'good',
    clock: 'synced', at, received: at, stale_after_s: 15, ...more,
  });
}

function source(...readings: Reading[]): Source {
  return { box: 'b', online: true, values: new Map(readings.map((r) => [`${r.device}|${r.channel}|${r.code}`, r])) };
}

test('a live pulse stands in for a heart rate that is gone', () => {
  const v = vital('heart-rate', source(value(147842, 70, { ageS: 60 }), value(149530, 72)), m);
  assert.deepEqual([v.main, v.colour, v.state], ['72', 'cyan', 'live']);
  const both = vital('heart-rate', source(value(147842, 70), value(149530, 72)), m);
  assert.deepEqual([both.main, both.colour], ['70', 'green']);
});

test('missing says why, and is never a number', () => {
  const off = vital('oxygen', source(value(150456, null, { quality: 'sensor-off' })), m);
  assert.deepEqual([off.main, off.state, off.note], ['--', 'missing', 'sensor off']);
  assert.equal(vital('oxygen', source(), m).note, 'not measured');
  assert.equal(vital('oxygen', { ...source(), online: false }, m).note, 'box offline');
  assert.equal(vital('oxygen', { ...source(), box: null }, m).note, 'No box');
});

test('an old number stays to be seen, as stale, with its age', () => {
  const v = vital('oxygen', source(value(150456, 97, { ageS: 40 })), m);
  assert.deepEqual([v.main, v.state, v.age], ['97', 'stale', 40]);
  assert.equal(vital('oxygen', source(value(150456, 97)), { now, live: false }).state, 'stale');
});

test('while the box is out of touch nothing is live, however young', () => {
  const away = { ...source(value(150456, 97), value(150021, 120), value(150022, 80)), online: false };
  assert.equal(vital('oxygen', away, m).state, 'stale');
  assert.equal(vital('blood-pressure', away, m).state, 'stale');
});

test('a pressure is made of one measurement', () => {
  const cuff = { stale_after_s: 7800 };
  const v = vital('blood-pressure', source(value(150021, 120, cuff), value(150022, 80, cuff), value(150023, 93, cuff)), m);
  assert.deepEqual([v.main, v.second, v.colour], ['120/80', '(93)', 'magenta']);
  const torn = vital('blood-pressure', source(value(150021, 120, cuff), value(150022, 80, { ...cuff, ageS: 3600 })), m);
  assert.equal(torn.main, '120/--', 'an older diastolic does not belong to it');
  const line = vital('blood-pressure', source(value(150021, 120, cuff), value(150022, 80, cuff), value(150037, 131), value(150038, 77)), m);
  assert.deepEqual([line.main, line.label, line.colour], ['131/77', 'ABP', 'red']);
  const lost = vital('blood-pressure', source(value(150021, 120, cuff), value(150022, 80, cuff), value(150037, 131, { ageS: 60 }), value(150038, 77, { ageS: 60 })), m);
  assert.equal(lost.label, 'NIBP', 'a line that is silent gives way to the cuff');
});

test('only a known and recent sleep is sleep', () => {
  const word = (text: string, ageS: number): Source => source(value(sleepCode, null, { text, quality: 'good', ageS, stale_after_s: 360 }));
  assert.equal(sleeping(word('deep', 60), m), true);
  assert.equal(sleeping(word('deep', 600), m), false);
  assert.equal(sleeping(word('unknown', 60), m), false);
  assert.equal(vital('sleep', word('rem', 60), m).main, 'asleep, REM');
});

test('each bed has its turn of five seconds', () => {
  const r = new Rotation();
  r.setOrder(['a', 'b', 'c'], 0);
  assert.equal(r.current, 'a');
  assert.equal(turn, 5000);
  assert.equal(r.step(4999), false);
  assert.equal(r.step(5000), true);
  assert.equal(r.current, 'b');
  r.step(10_000);
  r.step(15_000);
  assert.equal(r.current, 'a');
});

test('a choice and a pause hold, and end by themselves', () => {
  const r = new Rotation();
  r.setOrder(['a', 'b', 'c'], 0);
  r.select('c', 1000);
  assert.equal(r.step(1000 + hold - 1), false);
  assert.equal(r.left(1000), 60);
  r.setOrder(['a', 'b', 'c', 'd'], 2000);
  assert.equal(r.current, 'c');
  assert.equal(r.step(1000 + hold), true);
  assert.deepEqual([r.current, r.held], ['d', false]);
  r.jump('b', 70_000);
  assert.equal(r.left(70_000), 5);
  r.move(-1, 70_000);
  assert.deepEqual([r.current, r.held], ['a', true]);
});

test('a bed that is gone gives its turn to the next', () => {
  const r = new Rotation();
  r.setOrder(['a', 'b', 'c'], 0);
  r.step(5000);
  r.setOrder(['a', 'c'], 6000);
  assert.equal(r.current, 'c');
  r.setOrder([], 7000);
  assert.equal(r.current, '');
  assert.equal(r.step(99_000), false);
});

test('what stands for no sign is shown by device and channel', () => {
  const named = (ref_id: string, text: string, device: string): Reading => value(67880, null, { ref_id, text, device, quality: 'good', stale_after_s: 0 });
  const pump = (channel: string, rate: number, more: Partial<Value> & { ageS?: number } = {}): Reading =>
    value(1001, rate, { device: 'pumps', channel, label: 'Rate', unit: 'mL/h', places: 1, ...more });
  const s = source(value(147842, 70), value(149530, 71, { device: 'oximeter' }), value(150021, 120), value(150022, 80), value(150037, 118),
    named('MDC_ATTR_ID_MODEL', 'Rack', 'pumps'), pump('B', 2), pump('A', 7.5, { ageS: 40 }), value(999, 5, { device: 'x', label: '' }));
  const groups = others(s, m);
  assert.deepEqual(groups.map((g) => [g.device, g.channel, g.model, g.values.map((r) => r.code)]), [
    ['m', '', '', [150021, 150022]], ['oximeter', '', '', [149530]], ['pumps', 'A', 'Rack', [1001]], ['pumps', 'B', 'Rack', [1001]], ['x', '', '', [999]]]);
  assert.deepEqual(other(groups[2]!.values[0]!, s, m), { label: 'Rate', unit: 'mL/h', main: '7.5', state: 'stale', age: 40, note: '' });
  assert.equal(other(pump('A', 5.55, { places: 0 }), s, m).main, '5.55');
  assert.equal(other(groups[4]!.values[0]!, s, m).label, 'unknown code 999');
  assert.equal(other(pump('A', 1), { ...s, online: false }, m).state, 'stale');
  const off = other(pump('A', 0, { value: null, quality: 'sensor-off' }), s, m);
  assert.deepEqual([off.main, off.note], ['--', 'sensor off']);
});
