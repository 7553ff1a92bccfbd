// Whether somebody uses the page. The server ends a session that nobody uses;
// looking is use only where somebody touches the screen.

let touched = performance.now();

/** Calls back when somebody uses the page, once a minute at most. */
export function onUse(callback: () => void): void {
  let told = performance.now();
  const use = (): void => {
    touched = performance.now();
    if (touched - told < 60_000) return;
    told = touched;
    callback();
  };
  for (const kind of ['pointerdown', 'keydown', 'wheel'] as const) window.addEventListener(kind, use, { capture: true, passive: true });
}

/** How long nobody has used the page, ms. */
export function idle(): number {
  return performance.now() - touched;
}
