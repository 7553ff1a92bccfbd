// Waveforms as monitors draw them: a trace that goes on, an erase bar before it.
import type { WaveRing } from './ring';
import type { Colour } from './vitals';

/** CSS pixels of a millimetre at 96 dpi. */
export const pxPerMm = 96 / 25.4;
/** Width of the erase bar, px. */
const bar = 14;
/** How late samples may come and still be drawn, ms. */
const late = 2000;
/** Customary gains of an ECG, mm/mV; the first only where everything is small. */
const gains = [20, 10, 5, 2.5];
const small = 0.6;

export type WaveKind = 'ecg' | 'pleth' | 'pressure' | 'breath' | 'other';

export interface WaveLook {
  kind: WaveKind;
  label: string;
  colour: Colour;
  /** Speed of the sweep, mm/s. */
  speed: number;
  /** Place on the screen: small is high up. */
  order: number;
}

const leads: Record<number, string> = { 0: 'ECG', 1: 'I', 2: 'II', 3: 'V1', 4: 'V2', 5: 'V3', 6: 'V4', 7: 'V5', 8: 'V6', 61: 'III', 62: 'aVR', 63: 'aVL', 64: 'aVF', 67: 'V' };
const leadOrder = [2, 1, 61, 67, 0];
const lines: Record<number, [label: string, colour: Colour]> = {
  150036: ['ABP', 'red'], 150032: ['ART', 'red'], 150016: ['IBP', 'red'], 150028: ['Ao', 'red'], 150056: ['UAP', 'red'], 150044: ['PAP', 'yellow'],
  150064: ['LAP', 'blue'], 150068: ['RAP', 'blue'], 150084: ['CVP', 'blue'], 150088: ['UVP', 'blue'],
};
const breaths: Record<number, string> = { 151780: 'Resp', 151724: 'CO2', 151700: 'CO2', 192961: 'Breathing' };

/** lookOf is how a waveform of a code is drawn. */
export function lookOf(code: number): WaveLook {
  const lead = code - 131328;
  if (lead >= 0 && lead < 256) {
    const at = leadOrder.indexOf(lead);
    return { kind: 'ecg', label: leads[lead] ?? 'ECG', colour: 'green', speed: 25, order: at < 0 ? 9 + lead / 1000 : at / 10 };
  }
  if (code === 150452) return { kind: 'pleth', label: 'Pleth', colour: 'cyan', speed: 25, order: 2 };
  const line = lines[code];
  if (line) return { kind: 'pressure', label: line[0], colour: line[1], speed: 25, order: 1 + Object.keys(lines).indexOf(String(code)) / 100 };
  const breath = breaths[code];
  if (breath) return { kind: 'breath', label: breath, colour: 'yellow', speed: 6.25, order: 3 };
  return { kind: 'other', label: `#${code}`, colour: 'white', speed: 12.5, order: 10 };
}

/** A Scale maps physical values to a height, and rarely changes. */
export class Scale {
  low = 0;
  high = 1;
  /** mm/mV of an ECG, 0 if it does not fit any customary one. */
  gain = 0;
  private largest = 0;

  constructor(private readonly kind: WaveKind) {}

  /** Fits what is seen into a height in px; true if the scale changed. */
  fit(seen: { low: number; high: number }, height: number): boolean {
    return this.kind === 'ecg' ? this.fitECG(seen, height) : this.fitAny(seen);
  }

  private fitECG(seen: { low: number; high: number }, height: number): boolean {
    const span = seen.high - seen.low;
    const middle = (seen.low + seen.high) / 2;
    const gain = gains.find((g) => span * g * pxPerMm <= height * 0.92 && (g <= 10 || span < small)) ?? 0;
    // A flat line stays flat: at the most 20 mm/mV, never stretched to fill.
    const shown = gain > 0 ? height / (gain * pxPerMm) : span * 1.1;
    const fits = seen.low >= this.low && seen.high <= this.high;
    if (fits && this.gain > 0 && gain <= this.gain * 2 && Math.abs(middle - (this.low + this.high) / 2) < shown * 0.3) return false;
    this.gain = gain;
    this.low = middle - shown / 2;
    this.high = middle + shown / 2;
    return true;
  }

  private fitAny(seen: { low: number; high: number }): boolean {
    this.largest = Math.max(this.largest * 0.99, seen.high - seen.low);
    const least = this.kind === 'pressure' ? 30 : this.largest * 0.25;
    const span = Math.max(seen.high - seen.low, least, 1e-6);
    const fits = seen.low >= this.low && seen.high <= this.high;
    if (fits && this.high - this.low < span * 1.9) return false;
    const middle = (seen.low + seen.high) / 2;
    this.low = middle - span * 0.6;
    this.high = middle + span * 0.6;
    if (this.kind === 'pressure') {
      this.low = Math.floor(this.low / 10) * 10;
      this.high = Math.ceil(this.high / 10) * 10;
    }
    return true;
  }
}

/**
 * A Playhead moves through the time of the samples, so far behind the present
 * that they have come, and smoothly: it runs a little faster or slower.
 */
export class Playhead {
  /** Time of the samples that are drawn now, ms; NaN before the first. */
  head = Number.NaN;
  /** How far behind the present, ms. */
  delay = 0;
  private static readonly margin = 250;

  /** Moves on by dt ms; true if it jumped. lag is that of the slowest wave. */
  step(now: number, lag: number, dt: number): boolean {
    this.delay = lag + Playhead.margin;
    const target = now - this.delay;
    const off = target - this.head;
    if (!(Math.abs(off) < 2000)) {
      this.head = target;
      return true;
    }
    const rate = 1 + Math.max(-0.5, Math.min(0.5, (off - dt) / 1000));
    this.head += dt * rate;
    return false;
  }
}

/** A Sweep draws one ring on one canvas. */
export class Sweep {
  private readonly ctx: CanvasRenderingContext2D;
  private width = 0;
  private height = 0;
  private erased = Number.NaN; // time whose erase bar is drawn
  private drawn = Number.NaN; // time up to which the trace is drawn: not beyond the newest sample
  private lastX = Number.NaN;
  private lastY = Number.NaN;
  private scaled = 0;
  private readonly seen = { low: 0, high: 0 };
  private readonly scale: Scale;
  private readonly pxPerMs: number;
  private stroke = '';
  blank = true;

  constructor(readonly canvas: HTMLCanvasElement, readonly ring: WaveRing, readonly look: WaveLook) {
    this.ctx = canvas.getContext('2d')!;
    this.scale = new Scale(look.kind);
    this.pxPerMs = (look.speed * pxPerMm) / 1000;
  }

  get gain(): number {
    return this.scale.gain;
  }

  get bounds(): Scale {
    return this.scale;
  }

  /** Draws up to a time. Without a signal the canvas is blank: an old trace must not look live. */
  frame(head: number, jumped: boolean, flowing: boolean): void {
    const resized = this.resize();
    if (!flowing) {
      if (!this.blank) this.clear();
      return;
    }
    const all = jumped || resized || this.blank || Number.isNaN(this.drawn) || this.fit(head);
    if (all) {
      this.fit(head);
      this.clear();
      this.blank = false;
      this.erased = this.drawn = head - (this.width - bar) / this.pxPerMs;
    }
    this.erase(this.erased, head);
    this.erased = head;
    // Samples that come late are drawn when they have come, at their place.
    const newest = this.ring.timeOf(this.ring.end - 1);
    const to = Math.min(head, Math.max(newest, head - late));
    if (to <= this.drawn) return;
    this.trace(this.drawn, to);
    this.drawn = to;
  }

  clear(): void {
    this.ctx.clearRect(0, 0, this.width, this.height);
    this.blank = true;
    this.erased = this.drawn = this.lastX = this.lastY = Number.NaN;
  }

  private resize(): boolean {
    const dpr = window.devicePixelRatio || 1;
    const { clientWidth: w, clientHeight: h } = this.canvas;
    const [pw, ph] = [Math.round(w * dpr), Math.round(h * dpr)];
    if (this.canvas.width === pw && this.canvas.height === ph && this.stroke !== '') return false;
    this.canvas.width = pw;
    this.canvas.height = ph;
    this.ctx.setTransform(dpr, 0, 0, dpr, 0, 0);
    this.width = w;
    this.height = h;
    this.stroke = getComputedStyle(this.canvas).color;
    return true;
  }

  /** Looks at the scale twice a second; true if it changed. */
  private fit(head: number): boolean {
    if (Math.abs(head - this.scaled) < 500) return false;
    this.scaled = head;
    const { ring } = this;
    const from = Math.floor(ring.indexAt(head - this.width / this.pxPerMs));
    if (!ring.range(from, Math.ceil(ring.indexAt(head)), this.seen)) return false;
    return this.scale.fit(this.seen, this.height);
  }

  private x(time: number): number {
    return (time * this.pxPerMs) % this.width;
  }

  private erase(from: number, to: number): void {
    const length = Math.min((to - from) * this.pxPerMs, this.width - bar) + 2;
    const begin = this.x(from) + bar - 2;
    this.ctx.clearRect(begin % this.width, 0, length, this.height);
    if ((begin % this.width) + length > this.width) this.ctx.clearRect(0, 0, (begin % this.width) + length - this.width, this.height);
  }

  private trace(from: number, to: number): void {
    const { ring, ctx } = this;
    const first = Math.max(Math.floor(ring.indexAt(from)) + 1, ring.begin);
    const last = Math.min(Math.floor(ring.indexAt(to)), ring.end - 1);
    const msPerSample = 1000 / ring.rate;
    const t0 = from + (first - ring.indexAt(from)) * msPerSample;
    const perUnit = this.height / (this.scale.high - this.scale.low);
    ctx.strokeStyle = this.stroke;
    ctx.lineWidth = 2;
    ctx.lineJoin = ctx.lineCap = 'round';
    ctx.beginPath();
    if (!Number.isNaN(this.lastX)) ctx.moveTo(this.lastX, this.lastY);
    for (let i = first; i <= last; i++) {
      const v = ring.at(i);
      if (Number.isNaN(v)) {
        this.lastX = Number.NaN;
        continue;
      }
      const x = this.x(t0 + (i - first) * msPerSample);
      const y = Math.max(1, Math.min(this.height - 1, this.height - (v - this.scale.low) * perUnit));
      if (Number.isNaN(this.lastX) || x < this.lastX) ctx.moveTo(x, y);
      else ctx.lineTo(x, y);
      this.lastX = x;
      this.lastY = y;
    }
    ctx.stroke();
  }
}
