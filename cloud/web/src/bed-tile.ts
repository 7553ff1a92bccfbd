// One bed among all: its alarm, its four key numbers, and what is wrong.
import { html, nothing, type TemplateResult } from 'lit';
import { acknowledged, prefix } from './alarms';
import { WardElement } from './element';
import { age } from './format';
import { text } from './strings';
import { sleeping, vital, type Vital } from './vitals';
import type { Alert } from './wire';
import type { BedNow } from './ward';

const shown = ['heart-rate', 'oxygen', 'respiration-rate', 'blood-pressure'] as const;

export class BedTile extends WardElement {
  static override properties = { ...WardElement.properties, large: { type: Boolean } };
  /** True while this bed is the one shown large. */
  large = false;

  protected override render(): TemplateResult | typeof nothing {
    const bed = this.ward.beds.get(this.bed);
    if (!bed) return nothing;
    const m = this.ward.moment();
    const alerts = this.ward.ofBed(bed.id);
    const top = alerts[0];
    const calm = !top || acknowledged(top);
    return html`<button
      class="tile ${top ? `has-alarm ${top.priority} ${calm ? 'calm' : 'loud'}` : ''} ${this.large ? 'large' : ''} ${m.live ? '' : 'old'} ${bed.patient ? '' : 'vacant'}"
      data-bed=${bed.id}
      aria-label=${text.showLarge(bed.label)}
      aria-pressed=${this.large ? 'true' : 'false'}
    >
      <span class="tile-head">
        <span class="tile-label">${bed.label}</span>
        <span class="tile-who">${bed.patient ? bed.patient.initials : text.emptyBed}</span>
        ${sleeping(bed, m) ? html`<span class="moon" title=${text.asleep}>☾</span>` : nothing}
      </span>
      ${this.trouble(bed, top, alerts.length)}
      <span class="tile-vitals">${shown.map((sign) => this.row(vital(sign, bed, m)))}</span>
    </button>`;
  }

  /** The most urgent alarm, or else that the box or a device is away. */
  private trouble(bed: BedNow, top: Alert | undefined, n: number): TemplateResult {
    const away = bed.box === null ? (bed.patient ? text.noBox : '') : bed.online ? '' : text.boxOffline;
    const device = bed.devices.find((d) => d.status === 'failed' || d.status === 'silent');
    const line = away || (device ? `${text.deviceProblem} ${device.device}` : '');
    if (!top) return html`<span class="tile-alarm ${line ? 'offline' : ''}">${line}</span>`;
    return html`<span class="tile-alarm ${top.priority} ${acknowledged(top) ? 'calm' : 'loud'}">
      <b class="prefix">${acknowledged(top) ? '✓' : prefix(top)}</b> ${top.text}${n > 1 ? ` +${n - 1}` : ''}${away ? html` <i>${away}</i>` : nothing}
    </span>`;
  }

  private row(v: Vital): TemplateResult {
    const note = v.state === 'stale' ? text.staleFor(age(v.age)) : v.state === 'missing' ? v.note : v.age >= 60 ? age(v.age) : v.note;
    return html`<span class="tile-row ${v.colour} ${v.state}" data-sign=${v.sign} data-state=${v.state}>
      <span class="tile-what"><span class="tile-sign">${v.label}</span><span class="tile-note">${note}</span></span><span class="tile-number">${v.main}</span>
    </span>`;
  }
}
customElements.define('bed-tile', BedTile);
