// Bundles every src/*.test.ts, runs them, and says in the last line how many passed.
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { spec } from 'node:test/reporters';
import { run } from 'node:test';
import * as esbuild from 'esbuild';

const root = import.meta.dirname;
const tests = (await readdir(path.join(root, 'src'))).filter((f) => f.endsWith('.test.ts')).sort();
if (tests.length === 0) throw new Error('no tests found in src/');
const out = await mkdtemp(path.join(os.tmpdir(), 'monitorme-web-test-'));
try {
  await esbuild.build({
    absWorkingDir: root, entryPoints: tests.map((f) => `src/${f}`), bundle: true, platform: 'node', format: 'esm', target: 'node20',
    outdir: out, outExtension: { '.js': '.mjs' }, sourcemap: 'inline', logLevel: 'warning', define: { WEB_ROOT: JSON.stringify(root) },
  });
  const count = { passed: 0, failed: 0, skipped: 0 };
  const seen = (data, outcome) => {
    if (data.details?.type !== 'suite' && !data.file?.endsWith(data.name)) count[data.skip !== undefined ? 'skipped' : outcome]++;
  };
  const stream = run({ files: tests.map((f) => path.join(out, f.replace(/\.ts$/, '.mjs'))), concurrency: 1 })
    .on('test:pass', (d) => seen(d, 'passed')).on('test:fail', (d) => seen(d, 'failed'));
  await new Promise((done) => stream.compose(spec).on('end', done).pipe(process.stdout, { end: false }));
  process.exitCode = count.failed > 0 || count.passed === 0 ? 1 : 0;
  console.log(`web: ${count.passed + count.failed + count.skipped} tests, ${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped`);
} finally {
  await rm(out, { recursive: true, force: true });
}
