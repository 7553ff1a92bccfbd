// The order, the flashing and the sounding of alarms. No drawing here.
import type { Alert, Priority } from './wire';

const rank: Record<Priority, number> = { high: 3, medium: 2, low: 1 };

export function rankOf(a: Pick<Alert, 'priority'>): number {
  return rank[a.priority] ?? 0;
}

export function acknowledged(a: Pick<Alert, 'acknowledged_by'>): boolean {
  return a.acknowledged_by !== null;
}

/** Whether an alarm still wants somebody to see it: it is not over, and no higher one stands for it. */
export function open(a: Pick<Alert, 'state' | 'hidden'>): boolean {
  return (a.state === 'active' || a.state === 'latched') && !a.hidden;
}

/** Not acknowledged ones first, then by priority, then the newest. */
export function compareAlerts(a: Alert, b: Alert): number {
  return (
    Number(acknowledged(a)) - Number(acknowledged(b)) ||
    rankOf(b) - rankOf(a) ||
    Date.parse(b.started) - Date.parse(a.started) ||
    (a.id < b.id ? -1 : a.id > b.id ? 1 : 0)
  );
}

/** The prefix that says the priority without colour. */
export function prefix(a: Pick<Alert, 'priority' | 'kind'>): string {
  return (a.kind === 'technical' ? '!' : '*').repeat(rankOf(a));
}

/** Periods of flashing, ms: high 2 Hz, medium 0.6 Hz; low is steady. */
export const flashPeriod = { high: 500, medium: 1667 } as const;

/** Whether what flashes is lit at a time: half of each period. */
export function lit(period: number, time: number): boolean {
  return ((time % period) + period) % period < period / 2;
}

/** What wants to be heard: open, not acknowledged, and not found out too late. */
export function audible(a: Alert): boolean {
  return open(a) && !acknowledged(a) && !a.missed;
}

/** How long a person may silence the sound, ms. */
export const pauseLength = 120_000;

/** A Pause of the sound: it ends by itself, or by an alarm of a higher priority that is new. */
export interface Pause {
  until: number;
  rank: number;
  /** Ranks of the alarms that were known when it began. */
  known: ReadonlyMap<string, number>;
}

export function pauseSound(alerts: readonly Alert[], time: number): Pause {
  const heard = alerts.filter(audible);
  return { until: time + pauseLength, rank: Math.max(0, ...heard.map(rankOf)), known: new Map(heard.map((a) => [a.id, rankOf(a)])) };
}

/** The priority to sound now, and the pause that is left of one. */
export function sounding(alerts: readonly Alert[], pause: Pause | null, time: number): { priority: Priority | null; pause: Pause | null } {
  const heard = alerts.filter(audible);
  const over = (p: Pause): boolean => time >= p.until || heard.some((a) => rankOf(a) > p.rank && rankOf(a) > (p.known.get(a.id) ?? 0));
  if (pause && over(pause)) pause = null;
  if (pause || heard.length === 0) return { priority: null, pause };
  const top = Math.max(...heard.map(rankOf));
  return { priority: heard.find((a) => rankOf(a) === top)!.priority, pause };
}
