// The last seconds of one waveform. No allocation per sample.
import type { WaveEvent } from './wire';

/** How much a ring holds, s: a whole sweep of the widest screen at 6.25 mm/s. */
export const ringSeconds = 45;

/**
 * A WaveRing holds samples by their time. A sample that is missing is NaN;
 * time that no block covers is NaN too. Blocks that follow each other closely
 * are joined without a seam, though their times jitter.
 */
export class WaveRing {
  readonly size: number;
  readonly rate: number;
  /** Physical values, at index i modulo size. */
  readonly data: Float32Array;
  /** Time of index 0, ms. */
  private base = 0;
  /** Index after the newest sample; 0 before the first block. */
  end = 0;
  /** Index of the oldest sample that is kept. */
  begin = 0;
  /** How late first samples arrive, ms of the server's clock: what playing must wait. */
  lag = 0;
  /** When the last block with a signal arrived, by the monotonic clock. */
  heard = Number.NEGATIVE_INFINITY;
  /** Length of the last block, ms. */
  block = 0;
  /** The quality of the last block. */
  quality: WaveEvent['quality'] = 'unknown';

  constructor(rateHz: number) {
    this.rate = rateHz;
    this.size = Math.max(2, Math.ceil(rateHz * ringSeconds));
    this.data = new Float32Array(this.size).fill(Number.NaN);
  }

  /** Takes a block that arrived at serverNow (server's clock) and monotonic. */
  push(e: WaveEvent, serverNow: number, monotonic: number): void {
    const n = e.samples.length;
    const at = Date.parse(e.at);
    if (n === 0 || Number.isNaN(at)) return;
    this.block = (n / this.rate) * 1000;
    const start = this.place(at);
    if (start < 0) return; // older than all that is kept
    this.skipTo(start);
    const silent = e.quality !== 'good' && e.quality !== 'questionable';
    let signal = false;
    for (let i = 0; i < n; i++) {
      const raw = e.samples[i];
      const missing = silent || raw === null || raw === undefined;
      this.data[(start + i) % this.size] = missing ? Number.NaN : e.offset + e.scale * raw;
      signal ||= !missing;
    }
    this.end = Math.max(this.end, start + n);
    this.begin = Math.max(this.begin, this.end - this.size);
    this.quality = e.quality;
    if (signal) this.heard = monotonic;
    if (!Number.isNaN(serverNow)) {
      const lag = serverNow - at;
      this.lag = this.lag === 0 || lag > this.lag ? lag : this.lag + (lag - this.lag) * 0.02;
    }
  }

  /** The index at which a block that begins at a time goes, -1 for nowhere. */
  private place(at: number): number {
    if (this.end === 0) {
      this.base = at;
      return 0;
    }
    const exact = ((at - this.base) * this.rate) / 1000;
    const off = ((exact - this.end) * 1000) / this.rate;
    // A lost block makes a hole of its length: less than that is jitter. A block
    // that begins before the last one ended was stamped early, or the last late.
    if (off >= -600 && off <= Math.min(300, this.block * 0.6)) {
      this.base += off * 0.1; // follow the device's clock, which is not ours
      return this.end;
    }
    if (off < -ringSeconds * 1000 || off > 3_600_000) { // the clock was set: begin anew
      this.clear();
      this.base = at;
      return 0;
    }
    const start = Math.round(exact);
    return start < this.begin ? -1 : start;
  }

  /** Empties what lies between the newest sample and an index. */
  private skipTo(start: number): void {
    const from = Math.max(this.end, start - this.size);
    for (let i = from; i < start; i++) this.data[i % this.size] = Number.NaN;
  }

  clear(): void {
    this.data.fill(Number.NaN);
    this.begin = this.end = 0;
    this.lag = 0;
    this.heard = Number.NEGATIVE_INFINITY;
  }

  /** The index of a time, with its fraction. */
  indexAt(time: number): number {
    return ((time - this.base) * this.rate) / 1000;
  }

  /** The time of an index, ms. */
  timeOf(index: number): number {
    return this.base + (index * 1000) / this.rate;
  }

  /** The sample at a whole index, NaN if there is none. */
  at(index: number): number {
    return index < this.begin || index >= this.end || index < 0 ? Number.NaN : this.data[index % this.size]!;
  }

  /** Whether samples have come lately, at a monotonic time. */
  flowing(monotonic: number): boolean {
    return monotonic - this.heard <= 2000 + this.block;
  }

  /** Least and greatest of the samples in [from, to), into out; false if there are none. */
  range(from: number, to: number, out: { low: number; high: number }): boolean {
    let low = Number.POSITIVE_INFINITY;
    let high = Number.NEGATIVE_INFINITY;
    for (let i = Math.max(from, this.begin); i < Math.min(to, this.end); i++) {
      const v = this.data[i % this.size]!;
      if (v < low) low = v;
      if (v > high) high = v;
    }
    out.low = low;
    out.high = high;
    return low <= high;
  }
}
