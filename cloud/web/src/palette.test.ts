import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

declare const WEB_ROOT: string;
const css = readFileSync(`${WEB_ROOT}/src/app.css`, 'utf8');

function colour(name: string): number[] {
  const found = new RegExp(`--${name}: #([0-9a-f]{6});`).exec(css);
  assert.ok(found, `--${name} is in app.css`);
  return [0, 2, 4].map((i) => Number.parseInt(found[1]!.slice(i, i + 2), 16) / 255);
}

function luminance(rgb: number[]): number {
  const [r, g, b] = rgb.map((c) => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r! + 0.7152 * g! + 0.0722 * b!;
}

/** Contrast by WCAG 2.1. */
function contrast(a: string, b: string): number {
  const [x, y] = [luminance(colour(a)), luminance(colour(b))].sort((m, n) => n - m);
  return (x! + 0.05) / (y! + 0.05);
}

const grounds = ['ground', 'panel', 'raised'];

test('all text can be read: 4.5 to 1 at least', () => {
  for (const ground of grounds) {
    for (const text of ['text', 'muted', 'green', 'cyan', 'red', 'yellow', 'white', 'magenta', 'blue', 'medium']) {
      assert.ok(contrast(text, ground) >= 4.5, `${text} on ${ground}: ${contrast(text, ground).toFixed(2)}`);
    }
  }
  for (const [text, ground] of [['on-high', 'high'], ['on-high', 'high-dim'], ['on-medium', 'medium'], ['on-low', 'low'], ['text', 'medium-dim'], ['stale', 'stale-ground'], ['text', 'stale-ground']] as const) {
    assert.ok(contrast(text, ground) >= 4.5, `${text} on ${ground}: ${contrast(text, ground).toFixed(2)}`);
  }
});

test('numbers that matter are better than that: 7 to 1', () => {
  for (const text of ['green', 'cyan', 'yellow', 'white', 'magenta', 'blue', 'red']) assert.ok(contrast(text, 'panel') >= 7, `${text}: ${contrast(text, 'panel').toFixed(2)}`);
});

test('edges of controls and alarms are seen: 3 to 1', () => {
  for (const ground of grounds) for (const edge of ['control-edge', 'focus', 'medium', 'low']) assert.ok(contrast(edge, ground) >= 3, `${edge} on ${ground}: ${contrast(edge, ground).toFixed(2)}`);
});
