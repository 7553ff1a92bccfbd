// One trend: values with their band, gaps hatched, nights and alarms marked.
import { html, nothing, type PropertyValues, type TemplateResult } from 'lit';
import uPlot from 'uplot';
import { PageElement } from './element';
import { prefix } from './alarms';
import { age, clockTime, dayTime, fullTime, number, unit } from './format';
import { gapAt, lineOf, type Span } from './gaps';
import { text } from './strings';
import type { Alert, Gap, Series } from './wire';

/** What charts of one page share. */
export interface Frame {
  from: number;
  to: number;
  nights: Span[];
  sleep: Span[];
  alerts: Alert[];
}

/** How many rows of values a table shows. */
const rows = 500;

export class TrendChart extends PageElement {
  static override properties = { lines: { attribute: false }, frame: { attribute: false }, at: { state: true }, table: { state: true } };
  /** The series that share the chart, as systolic and diastolic. */
  lines: Series[] = [];
  frame!: Frame;
  /** What the cursor points at. */
  at = '';
  table = false;
  private plot: uPlot | null = null;
  private observer = new ResizeObserver(() => this.resize());

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.observer.disconnect();
    this.plot?.destroy();
    this.plot = null;
  }

  private get gaps(): Gap[] {
    return this.lines.flatMap((l) => l.gaps);
  }

  protected override render(): TemplateResult | typeof nothing {
    const first = this.lines[0];
    if (!first) return nothing;
    const label = this.lines.map((l) => l.label).join(', ');
    const { from, to } = this.frame;
    return html`<div class="trend-head">
        <b>${label}</b><span>${unit(first.unit)}</span><small>${first.device}${first.channel ? ` ${first.channel}` : ''}</small>
        <span class="trend-at" role="status">${this.at}</span>
      </div>
      <div
        class="trend-plot ${first.sign || 'other'}" tabindex="0" role="img"
        aria-label=${text.chartOf(label, fullTime(from), fullTime(to))} @keydown=${this.key}
      ></div>
      <details @toggle=${(e: Event) => (this.table = (e.target as HTMLDetailsElement).open)}>
        <summary>${text.valueTable}</summary>
        ${this.table ? this.lines.map((l) => this.values(l)) : nothing}
      </details>`;
  }

  private values(s: Series): TemplateResult {
    const cell = (v: number | null): TemplateResult => html`<td class="number">${number(v, s.places)}</td>`;
    if (s.buckets) {
      const some = s.buckets.slice(-rows).reverse();
      return html`<div class="scroll"><table>
        <caption>${s.label} · ${text.shown(some.length, s.buckets.length)}</caption>
        <thead><tr><th>${text.time}</th><th class="number">${text.mean}</th><th class="number">${text.least}</th><th class="number">${text.greatest}</th></tr></thead>
        <tbody>${some.map((b) => html`<tr><td>${fullTime(b.t)}</td>${cell(b.mean)}${cell(b.min)}${cell(b.max)}</tr>`)}</tbody>
      </table></div>`;
    }
    const points = s.points ?? [];
    const some = points.slice(-rows).reverse();
    return html`<div class="scroll"><table>
      <caption>${s.label} · ${text.shown(some.length, points.length)}</caption>
      <thead><tr><th>${text.time}</th><th class="number">${text.value}</th><th>${text.quality}</th></tr></thead>
      <tbody>${some.map(([t, v, q]) => html`<tr><td>${fullTime(t)}</td>${cell(v)}<td>${text.qualities[q] ?? q}</td></tr>`)}</tbody>
    </table></div>`;
  }

  protected override updated(changed: PropertyValues): void {
    if (!changed.has('lines') && !changed.has('frame')) return;
    this.plot?.destroy();
    this.plot = null;
    const place = this.querySelector<HTMLElement>('.trend-plot');
    if (!place) return;
    this.observer.observe(place);
    const colour = getComputedStyle(place).color;
    const tables: uPlot.AlignedData[] = [];
    const series: uPlot.Series[] = [{}];
    const bands: uPlot.Band[] = [];
    for (const s of this.lines) {
      const line = lineOf(s);
      series.push({ stroke: colour, width: 1.5, points: { show: line.times.length < 60, size: 5 } });
      if (line.banded) {
        tables.push([line.times, line.mean, line.low, line.high]);
        const none: uPlot.Series = { stroke: 'transparent', points: { show: false } };
        series.push(none, { ...none });
        bands.push({ series: [series.length - 1, series.length - 2], fill: `color-mix(in srgb, ${colour} 30%, transparent)` });
      } else {
        tables.push([line.times, line.mean]);
      }
    }
    this.plot = new uPlot(this.options(place, series, bands), tables.length === 1 ? tables[0]! : uPlot.join(tables), place);
  }

  private options(place: HTMLElement, series: uPlot.Series[], bands: uPlot.Band[]): uPlot.Options {
    const { from, to } = this.frame;
    const long = to - from > 36 * 3_600_000;
    const axis = { stroke: '#b3bfcd', grid: { stroke: '#262f3d', width: 1 }, ticks: { stroke: '#364254', width: 1 }, font: '13px Arial, sans-serif' };
    return {
      width: place.clientWidth, height: place.clientHeight, series, bands,
      legend: { show: false },
      cursor: { sync: { key: 'bed' }, drag: { x: false, y: false }, y: false, points: { size: 7 } },
      scales: { x: { range: [from / 1000, to / 1000] }, y: { range: (_, low, high) => (low === null ? [0, 1] : padded(low, high)) } },
      axes: [
        { ...axis, size: 30, values: (_, at) => at.map((t) => (long ? dayTime(t * 1000, 0).slice(5) : clockTime(t * 1000).slice(0, 5))), space: long ? 110 : 60 },
        { ...axis, size: 56 },
      ],
      hooks: { drawClear: [(u) => this.shade(u)], draw: [(u) => this.mark(u)], setCursor: [(u) => this.point(u)] },
    };
  }

  /** Nights and sleep, behind the line. */
  private shade(u: uPlot): void {
    const { ctx, bbox } = u;
    ctx.save();
    for (const [spans, fill] of [[this.frame.nights, '#161d2b'], [this.frame.sleep, '#1d3050']] as const) {
      ctx.fillStyle = fill;
      for (const s of spans) {
        const [x, w] = this.across(u, s.from, s.to);
        ctx.fillRect(x, bbox.top, w, bbox.height);
      }
    }
    ctx.restore();
  }

  private across(u: uPlot, from: number, to: number): [x: number, width: number] {
    const { left, width } = u.bbox;
    const place = (t: number): number => Math.min(Math.max(u.valToPos(t / 1000, 'x', true), left), left + width);
    const x = place(from);
    return [x, Math.max(place(to) - x, 2)];
  }

  /** Gaps hatched, alarms as marks on the axis. */
  private mark(u: uPlot): void {
    const { ctx, bbox } = u;
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    ctx.strokeStyle = '#75849b';
    ctx.lineWidth = 1;
    for (const g of this.gaps) {
      const [x, w] = this.across(u, Date.parse(g.from), Date.parse(g.to));
      ctx.save();
      ctx.beginPath();
      ctx.rect(x, bbox.top, w, bbox.height);
      ctx.clip();
      ctx.beginPath();
      for (let d = -bbox.height; d < w; d += 9 * devicePixelRatio) {
        ctx.moveTo(x + d, bbox.top + bbox.height);
        ctx.lineTo(x + d + bbox.height, bbox.top);
      }
      ctx.stroke();
      ctx.restore();
    }
    const colours = { high: '#ff3b3e', medium: '#ffd23c', low: '#45cfe8' };
    ctx.font = `bold ${13 * devicePixelRatio}px Arial, sans-serif`;
    ctx.textAlign = 'center';
    for (const a of this.frame.alerts) {
      const x = u.valToPos(Date.parse(a.started) / 1000, 'x', true);
      if (x < bbox.left || x > bbox.left + bbox.width) continue;
      ctx.strokeStyle = ctx.fillStyle = colours[a.priority];
      ctx.beginPath();
      ctx.moveTo(x, bbox.top + 14 * devicePixelRatio);
      ctx.lineTo(x, bbox.top + bbox.height);
      ctx.stroke();
      ctx.fillText(prefix(a), x, bbox.top + 12 * devicePixelRatio);
    }
    ctx.restore();
  }

  /** Says what the cursor points at: a gap and its reason, or the values. */
  private point(u: uPlot): void {
    const { left } = u.cursor;
    if (left === undefined || left === null || left < 0) {
      this.at = '';
      return;
    }
    const time = u.posToVal(left, 'x') * 1000;
    const near = this.frame.alerts.find((a) => Math.abs(u.valToPos(Date.parse(a.started) / 1000, 'x') - left) < 5);
    const alarm = near ? ` · ${prefix(near)} ${near.text}` : '';
    const gap = gapAt(this.gaps, time);
    if (gap) {
      this.at = `${fullTime(time)} · ${text.gapHere(text.gaps[gap.reason] ?? gap.reason)}, ${gap.detail} (${age((Date.parse(gap.to) - Date.parse(gap.from)) / 1000)})${alarm}`;
      return;
    }
    this.at = `${fullTime(time)} · ${this.lines.map((l) => `${l.label} ${valueAt(l, time)}`).join(' · ')}${alarm}`;
  }

  private key = (e: KeyboardEvent): void => {
    const u = this.plot;
    if (!u || (e.key !== 'ArrowLeft' && e.key !== 'ArrowRight')) return;
    e.preventDefault();
    e.stopPropagation();
    const width = u.bbox.width / devicePixelRatio;
    const now = u.cursor.left ?? -1;
    const step = (e.shiftKey ? 0.05 : 0.005) * width * (e.key === 'ArrowLeft' ? -1 : 1);
    u.setCursor({ left: now < 0 ? width / 2 : Math.min(Math.max(now + step, 0), width), top: 10 });
  };

  private resize(): void {
    const place = this.querySelector<HTMLElement>('.trend-plot');
    if (place && this.plot && place.clientWidth > 0 && place.clientWidth !== this.plot.width) this.plot.setSize({ width: place.clientWidth, height: place.clientHeight });
  }
}
customElements.define('trend-chart', TrendChart);

function padded(low: number, high: number): [number, number] {
  const space = Math.max((high - low) * 0.12, Math.abs(high) * 0.02, 0.1);
  return [low - space, high + space];
}

/** The value of a series nearest before a time, in words. */
function valueAt(s: Series, time: number): string {
  if (s.buckets) {
    const b = s.buckets.findLast((x) => x.t <= time);
    return b ? `${number(b.mean, s.places)} (${number(b.min, s.places)}–${number(b.max, s.places)})` : text.missing;
  }
  const p = s.points?.findLast((x) => x[0] <= time);
  return p ? number(p[1], s.places) : text.missing;
}
