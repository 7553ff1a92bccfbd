// What the components share: one page clock, and elements that follow a ward.
import { LitElement } from 'lit';
import { flashPeriod, lit } from './alarms';
import type { Ward } from './ward';

/** Light DOM: one stylesheet, labels and keyboard order work across components. */
export class PageElement extends LitElement {
  protected override createRenderRoot(): HTMLElement {
    return this;
  }
}

const seconds = new Set<() => void>();

/** Calls back twice a second, all in the same moment. */
export function everyHalfSecond(callback: () => void): () => void {
  seconds.add(callback);
  return () => seconds.delete(callback);
}

/** Starts the page clock: everything that flashes does so in phase. */
export function startPageClock(): void {
  const root = document.documentElement;
  setInterval(() => {
    const t = performance.now();
    root.toggleAttribute('data-high-lit', lit(flashPeriod.high, t));
    root.toggleAttribute('data-medium-lit', lit(flashPeriod.medium, t));
  }, 50);
  setInterval(() => {
    for (const c of seconds) c();
  }, 500);
}

/** An element that shows a ward, or one bed of it. */
export class WardElement extends PageElement {
  static override properties = { ward: { attribute: false }, bed: { attribute: false } };
  ward!: Ward;
  /** The bed's id, '' for the whole ward. */
  bed = '';
  private leave: (() => void)[] = [];

  override connectedCallback(): void {
    super.connectedCallback();
    this.leave = [
      this.ward.watch((beds) => {
        if (beds === 'all' || this.bed === '' || beds.has(this.bed)) this.requestUpdate();
      }),
      everyHalfSecond(() => this.requestUpdate()),
    ];
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    for (const l of this.leave) l();
  }
}
