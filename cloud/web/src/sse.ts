// Server-sent events over fetch: unlike EventSource it tells the status of the
// answer, and it can be given up when nothing comes.

export interface SSEEvent {
  type: string;
  data: string;
  id: string;
}

/** An SSEParser is fed text cut anywhere and hands on whole events. */
export class SSEParser {
  private rest = '';
  private type = '';
  private data: string[] = [];
  private id = '';

  constructor(private readonly emit: (e: SSEEvent) => void) {}

  feed(text: string): void {
    let buffer = this.rest + text;
    let from = 0;
    for (;;) {
      const lf = buffer.indexOf('\n', from);
      const cr = buffer.indexOf('\r', from);
      let end = lf < 0 ? cr : cr < 0 ? lf : Math.min(lf, cr);
      if (end < 0 || (end === cr && end === buffer.length - 1)) break; // a \n may follow the \r
      const line = buffer.slice(from, end);
      if (end === cr && buffer[end + 1] === '\n') end++;
      from = end + 1;
      this.line(line);
    }
    buffer = buffer.slice(from);
    this.rest = buffer;
  }

  private line(line: string): void {
    if (line === '') {
      if (this.data.length > 0) this.emit({ type: this.type || 'message', data: this.data.join('\n'), id: this.id });
      this.type = '';
      this.data = [];
      return;
    }
    const colon = line.indexOf(':');
    if (colon === 0) return; // a comment
    const field = colon < 0 ? line : line.slice(0, colon);
    let value = colon < 0 ? '' : line.slice(colon + 1);
    if (value.startsWith(' ')) value = value.slice(1);
    if (field === 'event') this.type = value;
    else if (field === 'data') this.data.push(value);
    else if (field === 'id') this.id = value;
  }
}

/** Waiting before the n-th new attempt, ms: 0.5 s doubling to 15 s, with jitter. */
export function backoff(attempt: number, random: () => number = Math.random): number {
  return Math.min(15_000, 500 * 2 ** Math.min(attempt, 10)) * (0.75 + random() * 0.5);
}
