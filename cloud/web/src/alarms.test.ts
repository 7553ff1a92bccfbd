import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compareAlerts, flashPeriod, lit, pauseLength, pauseSound, prefix, sounding } from './alarms';
import { bursts, harmonics } from './bursts';
import type { Alert } from './wire';

function alert(id: string, more: Partial<Alert> = {}): Alert {
  return {
    id, bed: 'b', unit: 'u', label: '1', box: 'x', device: 'd', code: 1, sign: '', rule: 'r', kind: 'physiological', priority: 'medium', text: 't', value: null,
    limit: null, night: false, state: 'active', started: '2026-01-01T00:00:00Z', ended: null, received: '2026-01-01T00:00:00Z', acknowledged_by: null,
    acknowledged_at: null, missed: false, ...more,
  };
}

test('alarms that nobody has come first, then the urgent, then the new', () => {
  const list = [
    alert('seen-high', { priority: 'high', acknowledged_by: 'n' }),
    alert('low', { priority: 'low' }),
    alert('old', { started: '2026-01-01T00:00:00Z' }),
    alert('new', { started: '2026-01-01T00:01:00Z' }),
    alert('high', { priority: 'high', started: '2025-12-31T00:00:00Z' }),
  ];
  assert.deepEqual(list.sort(compareAlerts).map((a) => a.id), ['high', 'new', 'old', 'low', 'seen-high']);
});

test('priority can be read without colour', () => {
  assert.equal(prefix(alert('a', { priority: 'high' })), '***');
  assert.equal(prefix(alert('a', { priority: 'medium' })), '**');
  assert.equal(prefix(alert('a', { priority: 'low' })), '*');
  assert.equal(prefix(alert('a', { priority: 'high', kind: 'technical' })), '!!!');
});

test('flashing keeps to its frequencies, half of the time lit', () => {
  for (const [period, low, high] of [[flashPeriod.high, 1.4, 2.8], [flashPeriod.medium, 0.4, 0.8]] as const) {
    const hz = 1000 / period;
    assert.ok(hz >= low && hz <= high && hz <= 3, `${hz} Hz`);
    let on = 0;
    for (let t = 0; t < period * 10; t++) on += Number(lit(period, t));
    assert.ok(Math.abs(on / (period * 10) - 0.5) < 0.01);
  }
});

test('only the highest priority sounds, and what somebody has seen does not', () => {
  const list = [alert('m'), alert('h', { priority: 'high' })];
  assert.equal(sounding(list, null, 0).priority, 'high');
  list[1]!.acknowledged_by = 'n';
  assert.equal(sounding(list, null, 0).priority, 'medium');
  assert.equal(sounding([alert('m', { missed: true })], null, 0).priority, null);
  assert.equal(sounding([alert('m', { state: 'ended' })], null, 0).priority, null);
  assert.equal(sounding([alert('m', { hidden: true })], null, 0).priority, null);
  assert.equal(sounding([alert('m', { state: 'latched' })], null, 0).priority, 'medium');
});

test('a pause ends after two minutes, or by a new alarm of a higher priority', () => {
  const before = [alert('m')];
  const pause = pauseSound(before, 1000);
  assert.equal(pauseLength, 120_000);
  assert.equal(sounding(before, pause, 1000 + pauseLength - 1).priority, null);
  assert.equal(sounding(before, pause, 1000 + pauseLength).priority, 'medium');
  assert.equal(sounding([...before, alert('m2')], pause, 2000).priority, null, 'one of the same priority waits');
  const broken = sounding([...before, alert('h', { priority: 'high' })], pause, 2000);
  assert.deepEqual(broken, { priority: 'high', pause: null });
  const raised = sounding([alert('m', { priority: 'high' })], pause, 2000);
  assert.equal(raised.priority, 'high', 'an alarm that becomes more urgent breaks through too');
});

test('bursts are those of IEC 60601-1-8', () => {
  const gaps = (b: { starts: readonly number[]; length: number }): number[] => b.starts.slice(1).map((s, i) => s - b.starts[i]! - b.length);
  assert.equal(bursts.high.starts.length, 10);
  assert.equal(bursts.medium.starts.length, 3);
  assert.ok(bursts.low.starts.length <= 2);
  assert.ok(bursts.high.length >= 0.075 && bursts.high.length <= 0.2);
  const high = gaps(bursts.high);
  for (const i of [0, 1, 3, 5, 6, 8]) assert.ok(high[i]! >= 0.05 - 1e-9 && high[i]! <= 0.125 + 1e-9, `gap ${i}: ${high[i]}`);
  assert.ok(high[4]! >= 0.35 && high[4]! <= 1.3);
  for (const g of [...gaps(bursts.medium), ...gaps(bursts.low)]) assert.ok(g >= 0.125 && g <= 0.25);
  for (const p of ['high', 'medium', 'low'] as const) {
    const b = bursts[p];
    const pause = b.every - b.starts.at(-1)! - b.length;
    assert.ok(pause >= (p === 'low' ? 15 : 2.5) && pause <= 30);
    assert.ok(b.pitch >= 150 && b.pitch <= 1000);
    assert.ok(harmonics.filter((_, i) => b.pitch * (i + 1) >= 300 && b.pitch * (i + 1) <= 4000).length >= 4);
  }
  assert.ok(20 * Math.log10(Math.max(...harmonics) / Math.min(...harmonics)) <= 15);
});
