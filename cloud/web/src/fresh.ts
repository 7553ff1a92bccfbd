// Age, freshness and validity of a value: what may be shown, and as what.
import type { Quality, Value } from './wire';

/** When a value was measured, ms: never later than it arrived. */
export function measuredAt(v: Pick<Value, 'at' | 'received' | 'clock'>): number {
  const received = Date.parse(v.received);
  if (v.clock === 'uncertain') return received; // the box's clock was never set
  const at = Date.parse(v.at);
  return Number.isNaN(received) || at < received ? at : received;
}

/** A Reading is a value together with when it was measured, parsed once. */
export interface Reading extends Value {
  measured: number;
}

export function reading(v: Value): Reading {
  return Object.assign(v, { measured: measuredAt(v) });
}

/** Age of a reading in seconds, at least 0. */
export function ageOf(r: Reading, serverNow: number): number {
  return Math.max(0, (serverNow - r.measured) / 1000);
}

/** A value of another quality has no number. */
export function hasNumber(q: Quality): boolean {
  return q === 'good' || q === 'questionable';
}

export function hasContent(r: Reading): boolean {
  return r.text !== '' ? r.text !== 'unknown' && r.quality !== 'sensor-off' && r.quality !== 'invalid' && r.quality !== 'missing'
    : r.value !== null && hasNumber(r.quality);
}

/** What a reading is worth now. */
export type State = 'live' | 'stale' | 'missing';

/**
 * stateOf says what to show. live is false while the screen gets nothing from
 * the server: then no value is live, however young. A value after whose time
 * nothing is expected (stale_after_s 0) does not become stale by age.
 */
export function stateOf(r: Reading | undefined, serverNow: number, live: boolean): State {
  if (r === undefined) return 'missing';
  const stale = !live || (r.stale_after_s > 0 && ageOf(r, serverNow) > r.stale_after_s);
  if (!hasContent(r)) return 'missing';
  return stale ? 'stale' : 'live';
}
