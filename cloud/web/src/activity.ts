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

/** Keeps the screen from going dark while an element shows it; gives what ends that. */
export function keepAwake(): () => void {
  let lock: WakeLockSentinel | null = null;
  let over = false;
  const ask = async (): Promise<void> => {
    if (over || document.hidden) return;
    try {
      lock = await navigator.wakeLock.request('screen');
      if (over) await lock.release();
    } catch {
      // the browser or the computer's settings decide; docs/SCREENS.md says what to set
    }
  };
  document.addEventListener('visibilitychange', ask);
  void ask();
  return () => {
    over = true;
    document.removeEventListener('visibilitychange', ask);
    void lock?.release();
  };
}
