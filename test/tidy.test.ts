import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';

/**
 * The rules of the house, as a test: which way imports run, which library lives in which room, that
 * the core is pure, that files stay small and are used.
 */
const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** Folder (or file) of `src` → what else of `src` it may import: folders, or single files. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  domain: [],
  plan: ['domain'],
  protocol: ['domain'],
  reconcile: ['domain'],
  settings: ['domain'],
  telemetry: ['domain'],
  system: ['domain', 'protocol'],
  cluster: ['domain', 'plan', 'protocol', 'reconcile', 'settings', 'telemetry', 'system'],
  controller: ['domain', 'plan', 'protocol', 'reconcile', 'settings', 'telemetry', 'system'],
  speaker: ['domain', 'plan', 'protocol', 'reconcile', 'settings', 'telemetry', 'system'],
  forwarder: ['domain', 'plan', 'protocol', 'reconcile', 'settings', 'telemetry', 'system'],
  admin: ['domain', 'plan', 'protocol', 'reconcile', 'settings', 'telemetry', 'system'],
  // The command line speaks to the admin API, and takes from it what the answers look like.
  cli: ['domain', 'settings', 'admin/api.ts', 'admin/api-bgp.ts', 'admin/api-inspect.ts'],
  app: ['*'],
  'main.ts': ['*'],
};

/** Library → the places that may import it. */
const ROOMS: Readonly<Record<string, readonly string[]>> = {
  fastify: ['admin'],
  '@fastify/swagger': ['admin'],
  pino: ['telemetry'],
  'pino-pretty': ['telemetry'],
  '@prometheus-io/client': ['telemetry'],
  typebox: ['settings', 'admin'],
  yaml: ['settings', 'cluster/files'],
  'raw-socket': ['system'],
  '@kubernetes/client-node': ['cluster/kubernetes'],
  socks: ['cluster/kubernetes'],
};

/** What the pure core may take from Node: nothing that touches the world. */
const PURE = ['domain', 'plan', 'protocol'];
const IMPURE =
  /\b(Date\.now|new Date\(|performance\.|Math\.random|setTimeout|setInterval|setImmediate|queueMicrotask|process\.|console\.|fetch\()/;

/** Tables and generated text may be long; code may not. */
const MAX_LINES = 400;
const MAX_COLUMNS = 140;

interface SourceFile {
  /** Relative to the repository: `src/plan/maglev.ts`. */
  readonly path: string;
  readonly text: string;
  readonly imports: readonly string[];
}

function filesUnder(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(ROOT, join(entry.parentPath, entry.name)));
}

function read(path: string): SourceFile {
  const text = readFileSync(join(ROOT, path), 'utf8');
  const code = text.replace(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '');
  const found = code.matchAll(/(?<!')\b(?:from|import)\s*\(?\s*'([^'\n]+)'/g);
  return { path, text, imports: [...found].map(([, name]) => name as string) };
}

const sources = filesUnder('src')
  .filter((path) => path.endsWith('.ts'))
  .map(read);

/** Beside the product: each is built on those before it. */
const BESIDE: Readonly<Record<string, readonly string[]>> = {
  lab: [],
  demo: ['lab', 'src/admin/api.ts'],
};

/** First folder below `src`, or the file itself when it lies there. */
function placeOf(path: string): string {
  return relative('src', path).split('/')[0] ?? '';
}

function targetOf(file: SourceFile, name: string): string {
  return relative(ROOT, resolve(ROOT, dirname(file.path), name));
}

test('every place in src has a rule, and every rule a place', (t) => {
  t.deepEqual(
    [...new Set(sources.map(({ path }) => placeOf(path)))].sort(),
    Object.keys(MAY_IMPORT).sort(),
  );
});

test('imports run one way', (t) => {
  const wrong = sources.flatMap((file) => {
    const place = placeOf(file.path);
    const allowed = MAY_IMPORT[place] ?? [];
    return file.imports
      .filter((name) => name.startsWith('.'))
      .map((name) => targetOf(file, name))
      .filter((other) => placeOf(other) !== place && !allowed.includes('*'))
      .filter(
        (other) => ![placeOf(other), relative('src', other)].some((it) => allowed.includes(it)),
      )
      .map((other) => `${file.path} imports ${other}`);
  });
  t.deepEqual(wrong, []);
});

test('no two files need each other, not even for types', (t) => {
  const byPath = new Map(sources.map((file) => [file.path, file]));
  const finished = new Set<string>();
  const circles: string[] = [];
  function visit(path: string, way: readonly string[]) {
    if (way.includes(path)) circles.push([...way.slice(way.indexOf(path)), path].join(' > '));
    const file = byPath.get(path);
    if (!file || finished.has(path) || way.includes(path)) return;
    for (const name of file.imports)
      if (name.startsWith('.')) visit(targetOf(file, name), [...way, path]);
    finished.add(path);
  }
  for (const { path } of sources) visit(path, []);
  t.deepEqual(circles, []);
});

test('the lab stands by itself, the demo on it, and neither on tests', (t) => {
  const wrong = Object.entries(BESIDE).flatMap(([place, allowed]) =>
    filesUnder(place)
      .filter((path) => path.endsWith('.ts'))
      .map(read)
      .flatMap((file) =>
        file.imports
          .filter((name) => name.startsWith('.'))
          .map((name) => targetOf(file, name))
          .filter((other) => ![place, ...allowed].some((it) => `${other}/`.startsWith(`${it}/`)))
          .map((other) => `${file.path} imports ${other}`),
      ),
  );
  t.deepEqual(wrong, []);
});

test('each library lives in its room', (t) => {
  const wrong = sources.flatMap((file) =>
    file.imports
      .filter((name) => !name.startsWith('.') && !name.startsWith('node:'))
      .filter((name) => {
        const rooms = ROOMS[libraryOf(name)] ?? [];
        return !rooms.some((room) => file.path.startsWith(`src/${room}/`));
      })
      .map((name) => `${file.path} imports ${name}`),
  );
  t.deepEqual(wrong, []);
});

test('the addon is loaded in one file', (t) => {
  const loaders = sources.filter(({ text }) => /createRequire|process\.dlopen/.test(text));
  // raw-socket is CommonJS without types: its adapter requires it, too.
  t.deepEqual(
    loaders
      .map(({ path }) => path)
      .filter((path) => path !== 'src/system/native.ts' && !rawSocketRoom(path)),
    [],
  );
});

test('domain, plan and protocol are pure', (t) => {
  const wrong = sources
    .filter(({ path }) => PURE.includes(placeOf(path)))
    .flatMap((file) => {
      const code = file.text.replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '');
      const impure = code.match(IMPURE)?.[0];
      const foreign = file.imports.filter((name) => !name.startsWith('.'));
      return [...(impure ? [impure] : []), ...foreign].map((what) => `${file.path}: ${what}`);
    });
  t.deepEqual(wrong, []);
});

test('every source file is imported by somebody', (t) => {
  const used = new Set(sources.flatMap((file) => file.imports.map((name) => targetOf(file, name))));
  const unused = sources
    .map(({ path }) => path)
    .filter((path) => !used.has(path) && path !== 'src/main.ts');
  t.deepEqual(unused, []);
});

test('every test mirrors a source file or a place of its own', (t) => {
  const OWN = /^test\/(netns|kubernetes|xdp|lab|support|bench|scripts|system|tidy\.test\.ts)/;
  /** They drive many files at once. */
  const WIDE = /^test\/cluster\/kubernetes\/(leader\/never-twice|hostile-objects)\.test\.ts$/;
  const stray = filesUnder('test')
    .filter((path) => path.endsWith('.test.ts') && !OWN.test(path) && !WIDE.test(path))
    .filter((path) => {
      const mirrored = path.replace(/^test\//, 'src/').replace(/\.test\.ts$/, '.ts');
      const folder = mirrored.replace(/\.ts$/, '/');
      return !sources.some((file) => file.path === mirrored || file.path.startsWith(folder));
    });
  t.deepEqual(stray, []);
});

test('source files stay small, without default exports and left-over notes', (t) => {
  const wrong = sources.flatMap(({ path, text }) => {
    const lines = text.split('\n');
    return [
      ...(lines.length > MAX_LINES ? [`${path}: ${lines.length} lines`] : []),
      ...lines.flatMap((line, i) =>
        line.length > MAX_COLUMNS ? [`${path}:${i + 1}: too long`] : [],
      ),
      ...(/export default/.test(text) ? [`${path}: default export`] : []),
      ...(/\b(TODO|FIXME|XXX|HACK)\b/.test(text) ? [`${path}: left-over note`] : []),
    ];
  });
  t.deepEqual(wrong, []);
});

function libraryOf(name: string): string {
  const parts = name.split('/');
  return name.startsWith('@') ? parts.slice(0, 2).join('/') : (parts[0] ?? '');
}

function rawSocketRoom(path: string): boolean {
  return path === 'src/system/icmp-socket.ts';
}
