// One vital sign, large: number, unit, age, and what is wrong with it.
import { html, nothing, type TemplateResult } from 'lit';
import { age, unit } from './format';
import { text } from './strings';
import type { Vital } from './vitals';

/** The age a young value need not show in words. */
const instant = 2;

export function ageText(v: Vital): string {
  if (Number.isNaN(v.age)) return '';
  return v.state === 'stale' ? text.staleFor(age(v.age)) : v.age < instant ? age(1) : age(v.age);
}

export function vitalNumber(v: Vital): TemplateResult {
  return html`<div class="vital ${v.colour} ${v.state}" data-sign=${v.sign} data-state=${v.state}>
    <div class="vital-head">
      <span class="vital-label">${v.label}</span>
      <span class="vital-unit">${unit(v.unit)}</span>
      <span class="vital-age">${ageText(v)}</span>
    </div>
    <div class="vital-main">${v.main}${v.second ? html`<small>${v.second}</small>` : nothing}</div>
    <div class="vital-note">${v.note}</div>
  </div>`;
}
