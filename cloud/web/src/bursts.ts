// How alarms sound: bursts by IEC 60601-1-8. Times in seconds.
import type { Priority } from './wire';

export interface Burst {
  /** When each pulse begins, after the burst's begin. */
  starts: readonly number[];
  /** Length of a pulse. */
  length: number;
  /** From the begin of a burst to the begin of the next. */
  every: number;
  /** Fundamental, Hz. */
  pitch: number;
}

const x = 0.1; // between pulses of a high burst
const five = [0, 0.15 + x, 2 * (0.15 + x), 2 * (0.15 + x) + 0.15 + 2 * x + 0.15, 3 * (0.15 + x) + 0.15 + 2 * x + 0.15];
const second = five[4]! + 0.15 + 0.6;

export const bursts: Record<Priority, Burst> = {
  high: { starts: [...five, ...five.map((t) => t + second)], length: 0.15, every: 10, pitch: 523 },
  medium: { starts: [0, 0.4, 0.8], length: 0.2, every: 25, pitch: 440 },
  low: { starts: [0, 0.4], length: 0.2, every: 30, pitch: 349 },
};

/** Harmonics, the fundamental first: at least four, within 15 dB of each other. */
export const harmonics: readonly number[] = [1, 0.8, 0.65, 0.5, 0.4];
