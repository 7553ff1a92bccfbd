// Builds src/ into dist/: hashed bundles, index.html, and the notices of the
// packages that are in the bundle. `--watch` builds again at each change.
import { cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import * as esbuild from 'esbuild';

const root = import.meta.dirname;
const dist = path.join(root, 'dist');

const options = {
  absWorkingDir: root,
  entryPoints: ['src/main.ts'],
  bundle: true,
  format: 'esm',
  target: ['es2022'],
  outdir: 'dist/assets',
  entryNames: '[name]-[hash]',
  minify: true,
  sourcemap: false,
  legalComments: 'none', // they are in licenses.txt
  metafile: true,
  logLevel: 'warning',
  plugins: [{ name: 'page', setup: (build) => build.onEnd((result) => result.errors.length === 0 && page(result.metafile)) }],
};

/** page writes what goes around the bundle, and removes the bundles before. */
async function page(metafile) {
  const outputs = Object.entries(metafile.outputs);
  const [js] = outputs.find(([, o]) => o.entryPoint === 'src/main.ts');
  const css = metafile.outputs[js].cssBundle;
  const keep = new Set([js, css].map((f) => path.basename(f)));
  for (const name of await readdir(path.join(dist, 'assets'))) {
    if (!keep.has(name)) await rm(path.join(dist, 'assets', name));
  }
  await cp(path.join(root, 'public'), dist, { recursive: true });
  await writeFile(path.join(dist, 'licenses.txt'), await notices(metafile));
  const html = await readFile(path.join(root, 'index.html'), 'utf8');
  const url = (file) => '/' + path.posix.relative('dist', file);
  await writeFile(path.join(dist, 'index.html'), html.replace('{{js}}', url(js)).replace('{{css}}', url(css)));
}

/** notices are the licence texts of every package of which code is in the bundle. */
async function notices(metafile) {
  const packages = new Set();
  for (const input of Object.keys(metafile.inputs)) {
    const found = /^node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(input);
    if (found) packages.add(found[1]);
  }
  const parts = ['The web app of MonitorMe contains code of these packages.\n'];
  for (const name of [...packages].sort()) {
    const dir = path.join(root, 'node_modules', name);
    const about = JSON.parse(await readFile(path.join(dir, 'package.json'), 'utf8'));
    const file = (await readdir(dir)).find((f) => /^licen[cs]e/i.test(f));
    if (!file) throw new Error(`package ${name} has no licence file: add its notice by hand`);
    parts.push(`\n${'='.repeat(72)}\n${name} ${about.version} (${about.license})\n\n${await readFile(path.join(dir, file), 'utf8')}`);
  }
  return parts.join('');
}

await mkdir(path.join(dist, 'assets'), { recursive: true });
await writeFile(path.join(dist, '.keep'), '');
if (process.argv.includes('--watch')) {
  await (await esbuild.context(options)).watch();
} else {
  await esbuild.build(options);
}
