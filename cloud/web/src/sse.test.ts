import assert from 'node:assert/strict';
import { test } from 'node:test';
import { backoff, SSEParser, type SSEEvent } from './sse';

function parse(pieces: string[]): SSEEvent[] {
  const events: SSEEvent[] = [];
  const p = new SSEParser((e) => events.push(e));
  for (const piece of pieces) p.feed(piece);
  return events;
}

const stream = 'retry: 1000\n\nevent: snapshot\ndata: {"a":1}\n\n: a comment\nid: 7\nevent: tick\ndata:two\ndata: lines\n\ndata: plain\r\n\r\nevent: lost\n\n';

test('events are read', () => {
  assert.deepEqual(parse([stream]), [
    { type: 'snapshot', data: '{"a":1}', id: '' },
    { type: 'tick', data: 'two\nlines', id: '7' },
    { type: 'message', data: 'plain', id: '7' },
  ]);
});

test('where the stream is cut changes nothing', () => {
  const whole = parse([stream]);
  for (let step = 1; step < 9; step++) {
    const pieces: string[] = [];
    for (let i = 0; i < stream.length; i += step) pieces.push(stream.slice(i, i + step));
    assert.deepEqual(parse(pieces), whole, `pieces of ${step}`);
  }
});

test('an event that is not finished is not handed on', () => {
  assert.deepEqual(parse(['event: tick\ndata: {}\n']), []);
});

test('waiting doubles, has a bound, and is never the same for all', () => {
  assert.equal(backoff(0, () => 0.5), 500);
  assert.equal(backoff(3, () => 0.5), 4000);
  assert.equal(backoff(50, () => 0.5), 15_000);
  assert.notEqual(backoff(2, () => 0), backoff(2, () => 1));
});
