// Who lies in a bed: laying a patient there, and emptying it.
import { html, nothing, type TemplateResult } from 'lit';
import { api, get, post, send, why } from './api';
import { PageElement } from './element';
import { text } from './strings';
import type { Patient, Role } from './wire';

export class AssignPatient extends PageElement {
  static override properties = {
    bed: {}, patient: { attribute: false }, staff: {}, asking: { state: true }, waiting: { state: true }, error: { state: true }, busy: { state: true },
  };
  bed = '';
  patient: { id: string; name: string } | null = null;
  staff: Role = 'nurse';
  asking: '' | 'assign' | 'discharge' = '';
  waiting: Patient[] = [];
  error = '';
  busy = false;

  protected override render(): TemplateResult {
    return html`${this.patient
        ? html`<button class="discharge" @click=${() => this.ask('discharge')}>${text.discharge}</button>`
        : html`<button class="assign" @click=${() => this.ask('assign')}>${text.assign}</button>`}
      <dialog @close=${() => (this.asking = '')}>
        ${this.asking === 'discharge' ? this.discharge() : this.asking === 'assign' ? this.assign() : nothing}
        ${this.error ? html`<p class="error" role="alert">${this.error}</p>` : nothing}
      </dialog>`;
  }

  private async ask(what: 'assign' | 'discharge'): Promise<void> {
    this.asking = what;
    this.error = '';
    this.querySelector('dialog')!.showModal();
    if (what === 'assign') {
      try {
        this.waiting = await get<Patient[]>('/api/v1/patients?elsewhere=true');
      } catch (error) {
        this.error = why(error);
      }
    }
  }

  private close = (): void => this.querySelector('dialog')!.close();

  /** Does what was asked, and says so if it failed. The stream tells of the change. */
  private async act(what: () => Promise<void>): Promise<void> {
    this.busy = true;
    this.error = '';
    try {
      await what();
      this.close();
    } catch (error) {
      this.error = why(error);
    } finally {
      this.busy = false;
    }
  }

  private discharge(): TemplateResult {
    return html`<p>${text.dischargeSure(this.patient?.name ?? '')}</p>
      <div class="row">
        <button class="primary yes" ?disabled=${this.busy} @click=${() => this.act(() => send('DELETE', api`/beds/${this.bed}/patient`))}>${text.yes}</button>
        <button @click=${this.close}>${text.cancel}</button>
      </div>`;
  }

  private assign(): TemplateResult {
    const lay = (patient: string): Promise<void> => send('PUT', api`/beds/${this.bed}/patient`, { patient });
    const submitOld = (e: SubmitEvent): void => {
      e.preventDefault();
      const id = String(new FormData(e.target as HTMLFormElement).get('patient'));
      void this.act(() => lay(id));
    };
    const submitNew = (e: SubmitEvent): void => {
      e.preventDefault();
      const form = new FormData(e.target as HTMLFormElement);
      const born = String(form.get('born'));
      void this.act(async () => lay((await post<Patient>('/api/v1/patients', { name: form.get('name'), ...(born ? { born } : {}) })).id));
    };
    return html`<form @submit=${submitOld}>
        <label>${text.choosePatient}
          <select name="patient" required ?disabled=${this.waiting.length === 0}>
            ${this.waiting.length === 0 ? html`<option value="">${text.nobodyWaiting}</option>` : this.waiting.map((p) => html`<option value=${p.id}>${p.name}${p.born ? ` (${p.born})` : ''}</option>`)}
          </select></label>
        <button class="primary" ?disabled=${this.busy || this.waiting.length === 0}>${text.assign}</button>
      </form>
      ${this.staff === 'nurse' || this.staff === 'admin'
        ? html`<hr /><form @submit=${submitNew}>
            <strong>${text.admit}</strong>
            <label>${text.patientName}<input name="name" required maxlength="120" autocomplete="off" /></label>
            <label>${text.born}<input name="born" type="date" /></label>
            <button ?disabled=${this.busy}>${text.admit}</button>
          </form>`
        : nothing}
      <p><button @click=${this.close}>${text.cancel}</button></p>`;
  }
}
customElements.define('assign-patient', AssignPatient);
