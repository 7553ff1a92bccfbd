import assert from 'node:assert/strict';
import { test } from 'node:test';
import { age, bytes, countDown, number, unit } from './format';
import { routeOf } from './route';

test('nothing is dashes, never zero', () => {
  for (const v of [null, undefined, Number.NaN, Number.POSITIVE_INFINITY]) assert.equal(number(v, 1), '--');
  assert.equal(number(0, 0), '0');
  assert.equal(number(37, 1), '37.0');
  assert.equal(number(97.6, 0), '98');
});

test('ages are short and never round up', () => {
  assert.equal(age(0.4), '0 s');
  assert.equal(age(59.9), '59 s');
  assert.equal(age(60), '1 min');
  assert.equal(age(3599), '59 min');
  assert.equal(age(3600 + 5 * 60), '1 h 05');
  assert.equal(age(3 * 86_400), '3 d');
  assert.equal(age(Number.NaN), '--');
});

test('units are as clinicians write them', () => {
  assert.equal(unit('mm[Hg]'), 'mmHg');
  assert.equal(unit('Cel'), '°C');
  assert.equal(unit('/min'), '/min');
  assert.equal(countDown(118), '1:58');
  assert.equal(bytes(2048), '2.0 KiB');
});

test('paths name pages', () => {
  assert.deepEqual(routeOf('/'), { page: 'home' });
  assert.deepEqual(routeOf('/unit/ward-1'), { page: 'station', unit: 'ward-1' });
  assert.deepEqual(routeOf('/unit/a%2Fb/alarms'), { page: 'alarms', unit: 'a/b' });
  assert.deepEqual(routeOf('/bed/x'), { page: 'bed', bed: 'x' });
  for (const p of ['/unit', '/bed/x/y', '/docs', '/%E0%A4%A', '/unit/x/y']) assert.deepEqual(routeOf(p), { page: 'none' }, p);
});
