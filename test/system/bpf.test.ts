import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { type BpfObject, dataplaneAbi, loadBpf, sweepFlows } from '../../src/system/bpf.ts';
import {
  bpffs,
  encodeStruct,
  interfaceIndex,
  OBJECT,
  PASS_OBJECT,
  u32,
} from '../support/dataplane-fixture.ts';
import { tcp } from '../support/packet.ts';

const HEADER = readFileSync(
  new URL('../../native/include/dataplane_abi.h', import.meta.url),
  'utf8',
).replace(/\/\*[\s\S]*?\*\//g, '');
const PACKET = tcp({ from: '198.51.100.7:1', to: '192.0.2.10:80' });
const SMALL = {
  flows: 64,
  reverse: 128,
  servers: 16,
  backends: 16,
  affinity: 64,
  server_stats: 16,
  backend_stats: 16,
};

/** A folder in bpffs of this test's own. */
function pinFolder(t: ExecutionContext): string {
  const path = `${bpffs()}/tg-test-${process.pid}-${t.title.replace(/\W+/g, '-').slice(0, 40)}`;
  t.teardown(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

function load(t: ExecutionContext, pinDir?: string, maxEntries: Record<string, number> = SMALL) {
  const object = loadBpf({ object: OBJECT, pinDir, maxEntries });
  t.teardown(() => object.close());
  return object;
}

function loadPass(t: ExecutionContext): BpfObject {
  const object = loadBpf({ object: PASS_OBJECT, pinDir: undefined, maxEntries: {} });
  t.teardown(() => object.close());
  return object;
}

function map(object: BpfObject, name: string) {
  const found = object.maps[name];
  if (found === undefined) throw new Error(`There is no map "${name}"`);
  return found;
}

test('dataplaneAbi() tells every struct and field that the header has', (t) => {
  const structs = [...HEADER.matchAll(/^struct (\w+) \{([\s\S]*?)^\};/gm)];
  const told = dataplaneAbi().structs;
  t.deepEqual(
    structs.map(([, name]) => name),
    Object.keys(told),
  );
  for (const [, name, body] of structs) {
    const fields = [...(body ?? '').matchAll(/\s(\w+)(?:\[\w+\])?;/g)].map((match) => match[1]);
    t.deepEqual(fields, Object.keys(told[name ?? '']?.offsets ?? {}), name);
  }
});

test('dataplaneAbi() tells every constant and counter that the header has', (t) => {
  const constants = new Map(
    [...HEADER.matchAll(/^\s*#?(?:define )?(TG_\w+) (?:= )?(\d+)u?,?\s*$/gm)].map((match) => [
      match[1],
      Number(match[2]),
    ]),
  );
  const { constants: told, counters, version } = dataplaneAbi();
  t.deepEqual(new Map(Object.entries(told)), constants);
  t.is(told['TG_ABI_VERSION'], version);
  const [list = ''] = HEADER.match(/^#define TG_COUNTERS\(X\)[\s\S]*?\n\n/m) ?? [];
  const names = [...list.matchAll(/^\s*X\((\w+)\)/gm)].map((match) => match[1]);
  t.deepEqual([...counters], names);
});

test('loadBpf() says which file cannot be opened', (t) => {
  const object = '/nowhere/none.bpf.o';
  const error = t.throws(() => loadBpf({ object, pinDir: undefined, maxEntries: {} }));
  t.is((error as NodeJS.ErrnoException).code, 'ENOENT');
  t.true(error.message.includes(object));
});

test('loadBpf() tells what libbpf had to say about a file that is no object', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'tg-bpf-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const object = join(folder, 'broken.bpf.o');
  writeFileSync(object, 'not an object');
  const error = t.throws(() => loadBpf({ object, pinDir: undefined, maxEntries: {} }));
  t.regex(error.message, /ELF/);
});

test("loadBpf() tells the verifier's reason when the kernel refuses the program", (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'tg-bpf-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const source = join(folder, 'bad.bpf.c');
  const object = join(folder, 'bad.bpf.o');
  const body = 'struct xdp_md { unsigned data, data_end; };\n';
  const program = 'int bad(struct xdp_md *ctx) { return *(char *)(long)ctx->data; }\n';
  const section = '__attribute__((section("xdp"), used))\n';
  const license = '__attribute__((section("license"), used)) char L[] = "Apache-2.0";\n';
  writeFileSync(source, body + section + program + license);
  execFileSync('clang', ['-O2', '-g', '-target', 'bpf', '-c', source, '-o', object]);
  const error = t.throws(() => loadBpf({ object, pinDir: undefined, maxEntries: {} }));
  t.is((error as NodeJS.ErrnoException).code, 'EACCES');
  t.regex(error.message, /invalid access to packet/);
});

test('loadBpf() refuses a size for a map that the object does not have', (t) => {
  const error = t.throws(() => load(t, undefined, { ...SMALL, nothing: 5 }));
  t.regex(error.message, /"nothing"/);
});

test('a map takes, tells and forgets entries', (t) => {
  const affinity = map(load(t), 'affinity');
  const key = new Uint8Array(affinity.keySize).fill(7);
  const value = new Uint8Array(affinity.valueSize).fill(9);
  t.is(affinity.lookup(key), undefined);
  affinity.update(key, value);
  t.deepEqual(affinity.lookup(key), value);
  t.deepEqual(affinity.entries(), [{ key, value }]);
  t.true(affinity.delete(key));
  t.false(affinity.delete(key));
  t.deepEqual(affinity.entries(), []);
});

test('updateBatch() writes many entries, also where the kernel has no batches', (t) => {
  const object = load(t);
  const keys = new Uint8Array(Uint32Array.from({ length: 10 }, (_, i) => i).buffer);
  const servers = map(object, 'servers');
  const values = new Uint8Array(10 * servers.valueSize).map((_, i) => i);
  servers.updateBatch(keys, values, 10);
  t.deepEqual(servers.lookup(u32(9)), values.slice(9 * servers.valueSize));
  const ports = map(object, 'ports');
  ports.updateBatch(u32(1), u32(1), 1);
  t.deepEqual(
    ports.entries().map(({ key }) => key),
    [u32(1)],
  );
  servers.updateBatch(new Uint8Array(), new Uint8Array(), 0);
});

test('entries() is whole for more entries than one batch', (t) => {
  const vips = map(load(t, undefined, { ...SMALL, vips: 20_000 }), 'vips');
  const count = 10_000;
  const keys = new Uint8Array(count * vips.keySize);
  const view = new DataView(keys.buffer);
  for (let i = 0; i < count; i++) view.setUint32(i * vips.keySize, i);
  vips.updateBatch(keys, new Uint8Array(count * vips.valueSize), count);
  const seen = new Set(vips.entries().map(({ key }) => Buffer.from(key).toString('hex')));
  t.is(seen.size, count);
});

test('a per-CPU map tells the values of all CPUs', (t) => {
  const counters = map(load(t), 'counters');
  const value = counters.lookup(u32(0));
  t.is((value?.length ?? 0) % counters.valueSize, 0);
  counters.update(u32(0), new Uint8Array(value?.length ?? 0).fill(1));
  t.deepEqual(counters.lookup(u32(0)), value?.fill(1));
});

test('a map refuses keys and values that are too short, and other things', (t) => {
  const servers = map(load(t), 'servers');
  t.throws(() => servers.update(u32(1), new Uint8Array(3)), { instanceOf: RangeError });
  t.throws(() => servers.lookup(new Uint8Array(3)), { instanceOf: RangeError });
  t.throws(() => servers.lookup('key' as never), { instanceOf: TypeError });
  t.throws(() => servers.lookup.call({} as never, u32(1)), { instanceOf: TypeError });
  t.throws(() => servers.update(u32(16), new Uint8Array(24)), { code: 'E2BIG' });
});

test("mapped() shares an array's memory with the map, and outlives it", (t) => {
  const object = loadBpf({ object: OBJECT, pinDir: undefined, maxEntries: SMALL });
  const backends = map(object, 'backends');
  const memory = new Uint8Array(backends.mapped());
  t.is(memory.length, backends.valueSize * backends.maxEntries);
  memory[backends.valueSize] = 42;
  t.is(backends.lookup(u32(1))?.[0], 42);
  t.is(backends.mapped(), memory.buffer);
  object.close();
  t.is(memory[backends.valueSize], 42);
  t.throws(() => backends.lookup(u32(1)), { code: 'EBADF' });
  t.throws(() => object.testRun(PACKET, { ifindex: 0 }), { code: 'EBADF' });
});

test('mapped() refuses a map that is no mmapable array', (t) => {
  t.throws(() => map(load(t), 'vips').mapped(), { message: /"vips"/ });
});

test('pinned maps are found again with what they hold, ring chunks too', (t) => {
  const pinDir = pinFolder(t);
  const first = loadBpf({ object: OBJECT, pinDir, maxEntries: SMALL });
  map(first, 'servers').update(u32(3), new Uint8Array(24).fill(5));
  new Uint32Array(first.addRingChunk(2).mapped())[10] = 77;
  first.close();
  const pins = readdirSync(pinDir);
  t.true(pins.includes('flows'));
  t.false(pins.includes('scratch'), 'what a packet leaves behind is nothing to keep');

  const second = load(t, pinDir);
  t.deepEqual(map(second, 'servers').lookup(u32(3)), new Uint8Array(24).fill(5));
  const chunk = second.ringChunk(2);
  t.is(chunk && new Uint32Array(chunk.mapped())[10], 77);
  t.is(second.ringChunk(3), undefined);
});

test('a ring chunk whose pin is not the installed map is not believed', (t) => {
  const pinDir = pinFolder(t);
  const first = load(t, pinDir);
  first.addRingChunk(0);
  const second = load(t, pinDir);
  second.addRingChunk(0);
  map(first, 'ring_chunks').delete(u32(0));
  t.is(load(t, pinDir).ringChunk(0), undefined);
});

test('a pinned map of another size is refused with EABI before anything is touched', (t) => {
  const pinDir = pinFolder(t);
  load(t, pinDir);
  rmSync(join(pinDir, 'affinity'));
  const error = t.throws(() => load(t, pinDir, { ...SMALL, reverse: 256 }), { code: 'EABI' });
  t.regex(error.message, /reverse.* 128 entries.* 256 entries/);
  t.false(existsSync(join(pinDir, 'affinity')));
});

test('pinned maps of another data plane version are refused with EABI', (t) => {
  const pinDir = pinFolder(t);
  const first = load(t, pinDir);
  const version = dataplaneAbi().version + 1;
  map(first, 'config').update(u32(0), encodeStruct('tg_config', { abi_version: version }));
  const error = t.throws(() => load(t, pinDir), { code: 'EABI' });
  t.regex(error.message, new RegExp(`version ${version}, this one has ${version - 1}`));
});

test('attach() keeps the program attached, takes its own link over, and refuses a foreign one', (t) => {
  const pins = pinFolder(t);
  const name = `tgb${process.pid}a`;
  execFileSync('ip', ['link', 'add', name, 'type', 'veth', 'peer', 'name', `tgb${process.pid}b`]);
  t.teardown(() => execFileSync('ip', ['link', 'del', name]));
  execFileSync('ip', ['link', 'set', name, 'mtu', '9000']);
  const ifindex = interfaceIndex(name);
  const attached = () => {
    const [link] = JSON.parse(execFileSync('ip', ['-j', '-d', 'link', 'show', name]).toString());
    return link.xdp ? [link.xdp.mode, link.xdp.prog.name] : [];
  };

  const pass = loadBpf({ object: PASS_OBJECT, pinDir: undefined, maxEntries: {} });
  pass.attach(ifindex, 'native', `${pins}/links/own`);
  pass.close();
  t.deepEqual(attached(), [1, 'pass']);

  const object = load(t);
  for (const mode of ['native', 'generic'] as const)
    t.throws(() => object.attach(ifindex, mode, `${pins}/links/other`), { code: 'EBUSY' });
  t.deepEqual(attached(), [1, 'pass']);

  object.attach(ifindex, 'native', `${pins}/links/own`);
  t.deepEqual(attached(), [1, 'tidegate']);
  object.attach(ifindex, 'generic', `${pins}/links/own`);
  t.deepEqual(attached(), [2, 'tidegate']);
  rmSync(`${pins}/links/own`);
  t.deepEqual(attached(), []);
});

test('attach() says what a device cannot do', (t) => {
  const pin = `${pinFolder(t)}/link`;
  const object = loadPass(t);
  t.throws(() => object.attach(1, 'native', pin), { code: 'EOPNOTSUPP' });
  t.throws(() => object.attach(0x7fffffff, 'native', pin), { code: 'EINVAL' });
  t.throws(() => object.attach(1, 'fast' as never, pin), { code: 'EINVAL' });
  t.false(existsSync(pin));
});

test('testRun() and testRepeat() refuse what the kernel refuses', async (t) => {
  const object = loadPass(t);
  t.deepEqual(object.testRun(PACKET, { ifindex: 1 }), { verdict: 2, packet: PACKET });
  t.throws(() => object.testRun(new Uint8Array(5), { ifindex: 0 }), { code: 'EINVAL' });
  t.true((await object.testRepeat(PACKET, { ifindex: 0, repeat: 10, cpu: 0 })) >= 0);
  await t.throwsAsync(object.testRepeat(PACKET, { ifindex: 0, repeat: 1, cpu: 1000 }), {
    code: 'EINVAL',
  });
});

test('testLive() runs frames as if they had arrived, and refuses what the kernel refuses', async (t) => {
  const object = loadPass(t);
  const live = { ifindex: 1, repeat: 10, batch: 4, cpu: 0 };
  t.true((await object.testLive(PACKET, live)) > 0);
  await t.throwsAsync(object.testLive(PACKET, { ...live, batch: 10_000 }), { code: 'E2BIG' });
  await t.throwsAsync(object.testLive(PACKET, { ...live, cpu: 1000 }), { code: 'EINVAL' });
});

test('sweepFlows() needs a flow table, and close() waits for it', async (t) => {
  t.throws(() => void sweepFlows(loadPass(t)), { code: 'EINVAL' });
  t.throws(() => void sweepFlows({} as BpfObject), { instanceOf: TypeError });
  const object = load(t);
  const sweep = sweepFlows(object);
  t.throws(() => object.close(), { code: 'EBUSY' });
  t.is((await sweep).flows, 0);
});
