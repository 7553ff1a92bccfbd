// One bed, large: its waves and all eight signs.
import { html, nothing, type PropertyValues, type TemplateResult } from 'lit';
import { repeat } from 'lit/directives/repeat.js';
import { WardElement } from './element';
import { number } from './format';
import { text } from './strings';
import { lookOf, Playhead, Sweep } from './sweep';
import { sleeping, vital, type Moment, type Vital } from './vitals';
import { vitalNumber } from './vital-number';
import type { BedNow, Wave } from './ward';
import { signs } from './wire';

/** How many waves find room. */
const room = 4;

export class FeaturedBed extends WardElement {
  private sweeps = new Map<string, Sweep>();
  private playhead = new Playhead();
  private frame = 0;
  private last = 0;
  private shownBed = '';

  override connectedCallback(): void {
    super.connectedCallback();
    const draw = (time: number): void => {
      this.frame = requestAnimationFrame(draw);
      this.draw(Math.min(time - this.last, 1000));
      this.last = time;
    };
    this.frame = requestAnimationFrame(draw);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    cancelAnimationFrame(this.frame);
  }

  private waves(bed: BedNow): Wave[] {
    const now = performance.now();
    // What flows comes before what has stopped, each in the customary order.
    return [...bed.waves.values()]
      .sort((a, b) => Number(b.ring.flowing(now)) - Number(a.ring.flowing(now)) || lookOf(a.code).order - lookOf(b.code).order || (a.key < b.key ? -1 : 1))
      .slice(0, room)
      .sort((a, b) => lookOf(a.code).order - lookOf(b.code).order || (a.key < b.key ? -1 : 1));
  }

  protected override render(): TemplateResult | typeof nothing {
    const bed = this.ward.beds.get(this.bed);
    if (!bed) return nothing;
    const m = this.ward.moment();
    const waves = this.waves(bed);
    return html`<div class="featured ${m.live ? '' : 'old'}" data-featured=${bed.id}>
      <div class="waves">
        ${waves.length === 0 ? html`<p class="no-wave">${text.noWaves}</p>` : nothing}
        ${repeat(waves, (w) => `${bed.id} ${w.key} ${w.ring.rate}`, (w) => this.wave(w, m))}
      </div>
      <div class="vitals">${signs.map((s) => vitalNumber(s === 'ecg' ? this.ecg(bed, waves, m) : vital(s, bed, m)))}</div>
    </div>`;
  }

  private wave(w: Wave, m: Moment): TemplateResult {
    const look = lookOf(w.code);
    const sweep = this.sweeps.get(w.key);
    const flowing = m.live && w.ring.flowing(performance.now());
    const note = flowing ? '' : w.ring.quality === 'good' || w.ring.quality === 'questionable' ? text.noSignal : (text.qualities[w.ring.quality] ?? text.noSignal);
    const { delay } = this.playhead;
    return html`<div class="wave ${look.colour}" data-wave=${w.code} data-state=${flowing ? 'live' : 'missing'}>
      <div class="wave-head">
        <b>${look.label}</b>
        ${flowing && look.kind === 'ecg' && sweep?.gain ? html`<span>${text.gain(sweep.gain)}</span>` : nothing}
        ${flowing && look.kind === 'pressure' && sweep ? html`<span>${number(sweep.bounds.low, 0)}–${number(sweep.bounds.high, 0)} mmHg</span>` : nothing}
        <span>${text.speed(look.speed)}</span>
        ${flowing && delay > 3000 ? html`<span class="late">${text.waveDelayed(Math.round(delay / 1000))}</span>` : nothing}
      </div>
      <canvas data-key=${w.key} aria-hidden="true"></canvas>
      ${flowing ? nothing : html`<div class="wave-off">${note}</div>`}
    </div>`;
  }

  /** ECG has no number of its own: it is a signal, or none. */
  private ecg(bed: BedNow, waves: readonly Wave[], m: Moment): Vital {
    const w = waves.find((x) => lookOf(x.code).kind === 'ecg');
    const base: Vital = { sign: 'ecg', label: 'ECG', unit: '', colour: 'green', main: text.missing, second: '', state: 'missing', age: Number.NaN, note: '' };
    if (!w) return { ...base, note: bed.box === null ? text.noBox : bed.online ? text.notMeasured : text.boxOffline.toLowerCase() };
    const mono = performance.now();
    const age = (mono - w.ring.heard) / 1000;
    if (!m.live || !w.ring.flowing(mono)) return { ...base, age: Number.isFinite(age) ? age : Number.NaN, note: w.ring.quality === 'good' ? text.noSignal : text.qualities[w.ring.quality] };
    return { ...base, main: text.lead(lookOf(w.code).label), state: 'live', age, note: w.ring.quality === 'questionable' ? text.questionable : '' };
  }

  protected override updated(_: PropertyValues): void {
    const bed = this.ward.beds.get(this.bed);
    if (this.shownBed !== this.bed) {
      this.shownBed = this.bed;
      this.playhead = new Playhead();
    }
    const before = this.sweeps;
    this.sweeps = new Map();
    for (const canvas of this.querySelectorAll<HTMLCanvasElement>('canvas[data-key]')) {
      const w = bed?.waves.get(canvas.dataset['key']!);
      if (!w) continue;
      const old = before.get(w.key);
      this.sweeps.set(w.key, old?.canvas === canvas && old.ring === w.ring ? old : new Sweep(canvas, w.ring, lookOf(w.code)));
    }
  }

  private draw(dt: number): void {
    const live = this.ward.pulse.alive();
    const mono = performance.now();
    let lag = 0;
    for (const s of this.sweeps.values()) if (s.ring.flowing(mono)) lag = Math.max(lag, s.ring.lag);
    const jumped = this.playhead.step(this.ward.clock.now(), lag, dt);
    for (const s of this.sweeps.values()) s.frame(this.playhead.head, jumped, live && s.ring.flowing(mono));
  }
}
customElements.define('featured-bed', FeaturedBed);

/** Whether to show the moon beside a bed. */
export function moon(bed: BedNow, m: Moment): TemplateResult | typeof nothing {
  return sleeping(bed, m) ? html`<span class="moon" title=${text.asleep}>☾ ${text.asleep}</span>` : nothing;
}
