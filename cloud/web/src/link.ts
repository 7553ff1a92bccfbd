// The connection of a ward to the server's stream: always trying.
import { problem } from './api';
import { backoff, SSEParser } from './sse';
import type { Ward } from './ward';

/** How long a connection may say nothing before it is given up, ms. */
const giveUp = 5000;

export class Link {
  private stopped = new AbortController();

  /** over is called when the session has ended: only signing in helps then. */
  constructor(private readonly ward: Ward, private readonly over: (detail: string) => void) {}

  start(): void {
    void this.run(this.stopped.signal);
  }

  stop(): void {
    this.stopped.abort();
  }

  private async run(stop: AbortSignal): Promise<void> {
    for (let attempt = 0; !stop.aborted; attempt++) {
      try {
        await this.once(stop, () => (attempt = -1));
      } catch {
        // The screen says that it is not live, whatever the cause.
      }
      if (stop.aborted) return;
      await pause(backoff(Math.max(attempt, 0)), stop);
    }
  }

  /** Listens until the stream breaks or says nothing. */
  private async once(stop: AbortSignal, connected: () => void): Promise<void> {
    const quit = new AbortController();
    const abort = (): void => quit.abort();
    stop.addEventListener('abort', abort, { once: true });
    let heard = performance.now();
    const watch = setInterval(() => performance.now() - heard > giveUp && abort(), 500);
    try {
      const response = await fetch(`/api/v1/stream?unit=${encodeURIComponent(this.ward.unit)}&waves=true`, {
        credentials: 'same-origin', cache: 'no-store', signal: quit.signal, headers: { Accept: 'text/event-stream' },
      });
      if (response.status === 401 || response.status === 403) {
        this.over(await problem(response));
        this.stop();
        return;
      }
      if (!response.ok || !response.body) return;
      const parser = new SSEParser((e) => {
        if (e.type === 'end') {
          this.over((JSON.parse(e.data) as { detail: string }).detail);
          this.stop();
          return;
        }
        this.ward.apply(e.type, e.data);
        if (e.type === 'snapshot') connected();
      });
      const decoder = new TextDecoder();
      for (const reader = response.body.getReader(); ; ) {
        const { done, value } = await reader.read();
        if (done) return;
        heard = performance.now();
        parser.feed(decoder.decode(value, { stream: true }));
      }
    } finally {
      clearInterval(watch);
      stop.removeEventListener('abort', abort);
      abort();
    }
  }
}

/** Waits, but not longer than until the network is back or all is over. */
async function pause(ms: number, stop: AbortSignal): Promise<void> {
  const woken = new AbortController();
  await new Promise<void>((done) => {
    const timer = setTimeout(done, ms);
    const wake = (): void => (clearTimeout(timer), done());
    stop.addEventListener('abort', wake, { signal: woken.signal });
    window.addEventListener('online', wake, { signal: woken.signal });
  });
  woken.abort(); // takes the listeners away
}
