// Requests to the server. An error carries the sentence that says what to do.
import { text } from './strings';

export class ApiError extends Error {
  constructor(readonly status: number, detail: string) {
    super(detail);
  }
}

/** The detail of a problem document, or a sentence of ours. */
export async function problem(response: Response): Promise<string> {
  try {
    const body: unknown = await response.json();
    if (body && typeof body === 'object' && 'detail' in body && typeof body.detail === 'string') {
      const errors = 'errors' in body && Array.isArray(body.errors) ? body.errors : [];
      const fields = errors.map((e: { location?: string; message?: string }) => `${e.location?.split('.').at(-1) ?? ''}: ${e.message ?? ''}`);
      return [body.detail, ...fields].join(' ');
    }
  } catch {
    // not JSON: a proxy answered
  }
  return text.failed(response.status);
}

/** Called when an answer says that nobody is signed in. */
export const session = { over: (_detail: string): void => undefined };

async function call(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(path, {
      method,
      credentials: 'same-origin',
      cache: 'no-store',
      signal: AbortSignal.any([AbortSignal.timeout(60_000), ...(signal ? [signal] : [])]),
      ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' } }),
    });
  } catch (cause) {
    if (signal?.aborted) throw cause;
    throw new ApiError(0, text.noServer);
  }
  if (response.ok) return response;
  const detail = await problem(response);
  if (response.status === 401 && path !== '/api/v1/session') session.over(detail);
  throw new ApiError(response.status, detail);
}

export async function get<T>(path: string, signal?: AbortSignal): Promise<T> {
  return (await call('GET', path, undefined, signal)).json() as Promise<T>;
}

export async function post<T>(path: string, body?: unknown): Promise<T> {
  return (await call('POST', path, body)).json() as Promise<T>;
}

export async function send(method: 'POST' | 'PUT' | 'DELETE', path: string, body?: unknown): Promise<void> {
  await call(method, path, body);
}

/** A path with its parts escaped: api`/beds/${id}/latest`. */
export function api(parts: TemplateStringsArray, ...values: (string | number)[]): string {
  return '/api/v1' + parts.reduce((out, part, i) => out + encodeURIComponent(String(values[i - 1])) + part);
}

export function why(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
