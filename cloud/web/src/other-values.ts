// What the devices of a bed say beyond the eight signs: pumps, ventilators, gases, the brain, unknown codes.
import { html, nothing, type TemplateResult } from 'lit';
import { repeat } from 'lit/directives/repeat.js';
import { WardElement } from './element';
import type { Reading } from './fresh';
import { age, unit } from './format';
import { text } from './strings';
import { other, others, type Moment, type Others } from './vitals';
import type { BedNow } from './ward';

/** Up to this age nothing is said of it, s: most of these come every few seconds. */
const young = 60;

export class OtherValues extends WardElement {
  protected override render(): TemplateResult | typeof nothing {
    const bed = this.ward.beds.get(this.bed);
    if (!bed) return nothing;
    const m = this.ward.moment();
    const groups = others(bed, m);
    if (groups.length === 0) return nothing;
    return html`<section class="others" aria-labelledby="others-head">
      <h2 id="others-head">${text.otherValues}</h2>
      ${repeat(groups, (g) => `${g.device} ${g.channel}`, (g) => this.group(g, bed, m))}
    </section>`;
  }

  private group(g: Others, bed: BedNow, m: Moment): TemplateResult {
    const also = [g.model ? g.device : '', g.channel ? text.channel(g.channel) : '', g.serial].filter(Boolean).join(' · ');
    return html`<h3>${g.model || g.device} <small>${also}</small></h3>
      <dl>${repeat(g.values, (r) => r.code, (r) => this.one(r, bed, m))}</dl>`;
  }

  private one(r: Reading, bed: BedNow, m: Moment): TemplateResult {
    const v = other(r, bed, m);
    const old = v.state === 'stale' ? text.staleFor(age(v.age)) : v.state === 'live' && v.age >= young ? age(v.age) : '';
    return html`<div class="other ${v.state} ${r.text ? 'words' : ''}" data-code=${r.code} data-state=${v.state}>
      <dt>${v.label} <span>${unit(v.unit)}</span></dt>
      <dd class="other-main">${v.main}</dd>
      ${old ? html`<dd class="other-age">${old}</dd>` : nothing}
      ${v.note ? html`<dd class="other-note">${v.note}</dd>` : nothing}
    </div>`;
  }
}
customElements.define('other-values', OtherValues);
