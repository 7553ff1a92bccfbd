// Signing in, and changing the password.
import { html, nothing, type TemplateResult } from 'lit';
import { send, why } from './api';
import { PageElement } from './element';
import { text } from './strings';

export class SignIn extends PageElement {
  static override properties = { message: {}, busy: { state: true }, error: { state: true } };
  /** Why one has to sign in, '' at the first time. */
  message = '';
  busy = false;
  error = '';

  protected override render(): TemplateResult {
    return html`<main class="card" id="content">
      <h1>${text.product}</h1>
      ${this.message ? html`<p class="error" role="alert">${this.message}</p>` : nothing}
      <form @submit=${this.submit}>
        <label>${text.userName}<input name="user" autocomplete="username" required autofocus maxlength="64" /></label>
        <label>${text.password}<input name="password" type="password" autocomplete="current-password" required maxlength="256" /></label>
        <label class="check"><input name="station" type="checkbox" />${text.stationBox}</label>
        <p class="hint">${text.stationHelp}</p>
        <button class="primary" ?disabled=${this.busy}>${text.signIn}</button>
        ${this.error ? html`<p class="error" role="alert">${this.error}</p>` : nothing}
      </form>
    </main>`;
  }

  private submit = async (e: SubmitEvent): Promise<void> => {
    e.preventDefault();
    const form = new FormData(e.target as HTMLFormElement);
    this.busy = true;
    this.error = '';
    try {
      const station = form.get('station') === 'on';
      await send('POST', '/api/v1/session', { user: form.get('user'), password: form.get('password'), ...(station ? { station } : {}) });
      this.dispatchEvent(new Event('signed-in', { bubbles: true }));
    } catch (error) {
      this.error = why(error);
    } finally {
      this.busy = false;
    }
  };
}
customElements.define('sign-in', SignIn);

export class ChangePassword extends PageElement {
  static override properties = { must: { type: Boolean }, busy: { state: true }, error: { state: true } };
  must = false;
  busy = false;
  error = '';

  protected override render(): TemplateResult {
    return html`<main class="card" id="content">
      <h1>${text.changePassword}</h1>
      ${this.must ? html`<p>${text.mustChange}</p>` : nothing}
      <form @submit=${this.submit}>
        <label>${text.oldPassword}<input name="old" type="password" autocomplete="current-password" required maxlength="256" autofocus /></label>
        <label>${text.newPassword}<input name="new" type="password" autocomplete="new-password" required minlength="10" maxlength="256" /></label>
        <label>${text.newPasswordAgain}<input name="again" type="password" autocomplete="new-password" required minlength="10" maxlength="256" /></label>
        <button class="primary" ?disabled=${this.busy}>${text.save}</button>
        ${this.error ? html`<p class="error" role="alert">${this.error}</p>` : nothing}
      </form>
    </main>`;
  }

  private submit = async (e: SubmitEvent): Promise<void> => {
    e.preventDefault();
    const form = new FormData(e.target as HTMLFormElement);
    if (form.get('new') !== form.get('again')) {
      this.error = text.passwordsDiffer;
      return;
    }
    this.busy = true;
    this.error = '';
    try {
      await send('PUT', '/api/v1/session/password', { old: form.get('old'), new: form.get('new') });
      this.dispatchEvent(new Event('password-changed', { bubbles: true }));
    } catch (error) {
      this.error = why(error);
    } finally {
      this.busy = false;
    }
  };
}
customElements.define('change-password', ChangePassword);
