import { html } from 'lit';
import { WardElement } from './element';
export class BedPage extends WardElement {
  session: unknown;
  protected override render() { return html`<main id="content"><featured-bed .ward=${this.ward} .bed=${this.bed}></featured-bed></main><alarm-list .ward=${this.ward}></alarm-list>`; }
}
customElements.define('bed-page', BedPage);
