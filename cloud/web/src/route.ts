// Where the page is. No library: a path and an event.

export type Route =
  | { page: 'home' }
  | { page: 'station' | 'alarms'; unit: string }
  | { page: 'bed'; bed: string }
  | { page: 'boxes' }
  | { page: 'password' }
  | { page: 'none' };

export function routeOf(path: string): Route {
  let parts: string[];
  try {
    parts = path.split('/').filter(Boolean).map(decodeURIComponent);
  } catch {
    return { page: 'none' };
  }
  const [first, id, rest] = parts;
  if (first === undefined) return { page: 'home' };
  if (first === 'unit' && id && parts.length === 2) return { page: 'station', unit: id };
  if (first === 'unit' && id && rest === 'alarms' && parts.length === 3) return { page: 'alarms', unit: id };
  if (first === 'bed' && id && parts.length === 2) return { page: 'bed', bed: id };
  if (first === 'boxes' && parts.length === 1) return { page: 'boxes' };
  if (first === 'password' && parts.length === 1) return { page: 'password' };
  return { page: 'none' };
}

/** Goes to a path without loading the page again: the stream and the sound go on. */
export function go(path: string): void {
  if (path !== location.pathname) history.pushState(null, '', path);
  window.dispatchEvent(new Event('monitorme-route'));
}

/** Lets links of the app change the route; others, and those for a new tab, are the browser's. */
export function catchLinks(e: MouseEvent): void {
  const a = e.target instanceof Element ? e.target.closest('a') : null;
  if (!a || e.defaultPrevented || e.button !== 0 || e.metaKey || e.ctrlKey || e.shiftKey || e.altKey || a.target) return;
  if (a.origin !== location.origin || routeOf(a.pathname).page === 'none') return;
  e.preventDefault();
  go(a.pathname);
}
