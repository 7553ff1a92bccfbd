// Histories as charts need them: gaps stay gaps.
import type { Gap, Series } from './wire';

/** A Line is one series ready to draw: times in seconds, null where nothing is. */
export interface Line {
  times: number[];
  mean: (number | null)[];
  low: (number | null)[];
  high: (number | null)[];
  banded: boolean;
}

/** lineOf makes the line of a series; between two readings that a gap parts stands a null. */
export function lineOf(s: Series): Line {
  const line: Line = { times: [], mean: [], low: [], high: [], banded: s.buckets !== undefined };
  const breaks = s.gaps.map((g) => Date.parse(g.from)).sort((a, b) => a - b);
  let next = 0;
  let last = Number.NEGATIVE_INFINITY;
  const add = (t: number, mean: number | null, low: number | null, high: number | null): void => {
    let cut = false;
    while (next < breaks.length && breaks[next]! < t) {
      cut ||= breaks[next]! >= last;
      next++;
    }
    if (cut && last > Number.NEGATIVE_INFINITY) push(line, Math.min(last + 1, t - 0.001), null, null, null);
    push(line, t, mean, low, high);
    last = t;
  };
  for (const [t, value, quality] of s.points ?? []) {
    const shown = quality === 'good' || quality === 'questionable' ? value : null;
    add(t, shown, shown, shown);
  }
  for (const b of s.buckets ?? []) add(b.t, b.mean, b.min, b.max);
  return line;
}

function push(line: Line, t: number, mean: number | null, low: number | null, high: number | null): void {
  line.times.push(t / 1000);
  line.mean.push(mean);
  line.low.push(low);
  line.high.push(high);
}

/** A stretch of time in ms. */
export interface Span {
  from: number;
  to: number;
}

/** The gap in which a time lies. */
export function gapAt(gaps: readonly Gap[], time: number): Gap | undefined {
  return gaps.find((g) => Date.parse(g.from) <= time && time < Date.parse(g.to));
}

const asleep = new Set(['asleep', 'light', 'deep', 'rem']);

/** When the patient slept, from the words of a sleep sensor; unknown is not asleep. */
export function sleepSpans(s: Series | undefined, to: number): Span[] {
  const spans: Span[] = [];
  const texts = s?.texts ?? [];
  for (let i = 0; i < texts.length; i++) {
    if (!asleep.has(texts[i]!.text)) continue;
    const from = texts[i]!.t;
    const until = Math.min(texts[i + 1]?.t ?? to, from + 15 * 60_000, to); // no word for long: not known any more
    const before = spans.at(-1);
    if (before && before.to === from) before.to = until;
    else spans.push({ from, to: until });
  }
  return spans;
}

/** The nights, 22:00 to 6:00 of this computer's zone, that touch [from, to). */
export function nights(from: number, to: number): Span[] {
  const spans: Span[] = [];
  const day = new Date(from);
  day.setHours(0, 0, 0, 0);
  for (day.setDate(day.getDate() - 1); day.getTime() < to; day.setDate(day.getDate() + 1)) {
    const begin = new Date(day).setHours(22, 0, 0, 0);
    const morning = new Date(day);
    morning.setDate(morning.getDate() + 1);
    const span = { from: Math.max(from, begin), to: Math.min(to, morning.setHours(6, 0, 0, 0)) };
    if (span.from < span.to) spans.push(span);
  }
  return spans;
}
