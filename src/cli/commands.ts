import type { Problem } from '../domain/problem.ts';
import { formatProblem } from '../domain/problem.ts';
import type { RoleName } from '../domain/role.ts';
import { reachBox, readSettings, settingsFileOf } from './box.ts';
import { type Call, type Command, type Option, UsageError } from './command.ts';
import { EXIT } from './exit-code.ts';
import { explanationExitCode, readExplanation, renderExplanation } from './explain.ts';
import { type FlowQuery, readFlows, renderFlows } from './flows.ts';
import { plural } from './format.ts';
import { readStatus, renderStatus, statusExitCode } from './status.ts';

const ROLES: readonly RoleName[] = ['controller', 'speaker', 'forwarder'];

const CONFIG: Option = {
  type: 'string',
  value: 'FILE',
  help: 'settings file (default /etc/tidegate/tidegate.yaml)',
};
const JSON_OUTPUT: Option = { type: 'boolean', help: 'answer in JSON, for programs' };
const ASKING = {
  config: CONFIG,
  'run-dir': {
    type: 'string',
    value: 'DIR',
    help: 'folder of the sockets (default: runDir of the settings)',
  },
  json: JSON_OUTPUT,
} as const satisfies Record<string, Option>;

const json = (call: Call, value: unknown): void =>
  call.io.out(`${JSON.stringify(value, undefined, 2)}\n`);

const run: Command = {
  name: 'run',
  summary: 'run one or more roles until SIGTERM or SIGINT',
  words: '',
  options: {
    config: CONFIG,
    roles: { type: 'string', value: 'LIST', help: `roles to run (default ${ROLES.join(',')})` },
    json: { type: 'boolean', help: 'log in JSON, whatever log.format says' },
  },
  details:
    'systemd runs one process a role: tidegate@controller, tidegate@speaker, tidegate@forwarder.',
  execute: async (call) => {
    refuseWords(call);
    const roles = rolesOf(call.text('roles') ?? ROLES.join(','));
    const read = await readSettings(call);
    if (!read.ok) return tellProblems(call, read.problems);
    const { log } = read.settings;
    const settings = call.flag('json')
      ? { ...read.settings, log: { ...log, format: 'json' as const } }
      : read.settings;
    return call.actions.run({ settings, settingsFile: settingsFileOf(call), roles });
  },
};

const check: Command = {
  name: 'check',
  summary: 'tell what is wrong with settings and manifests, offline',
  words: '',
  options: {
    config: CONFIG,
    manifests: {
      type: 'string',
      short: 'f',
      value: 'DIR',
      help: 'folder of manifests (default: cluster.files.path of the settings)',
    },
    json: JSON_OUTPUT,
  },
  details: 'With -f and without --config only the manifests are checked. Nothing is changed.',
  execute: async (call) => {
    refuseWords(call);
    const problems: Problem[] = [];
    const wanted = call.text('manifests');
    let folder = wanted;
    if (wanted === undefined || call.text('config') !== undefined) {
      const read = await readSettings(call);
      if (read.ok) folder ??= read.settings.cluster.files.path;
      else problems.push(...read.problems);
    }
    if (folder !== undefined) problems.push(...(await call.actions.checkManifests(folder)));
    return tellProblems(call, problems);
  },
};

const status: Command = {
  name: 'status',
  summary: 'show roles, addresses, problems and dropped packets of this box',
  words: '',
  options: ASKING,
  details:
    'Ends with 1 when a role is not ready or does not answer, an address is not served or\n' +
    'announced, a Service lacks an address, or a manifest has an error.',
  execute: async (call) => {
    refuseWords(call);
    const box = await reachBox(call);
    if (!box) return EXIT.unreachable;
    const answer = await readStatus(box.runDir, box.instances);
    if (call.flag('json')) json(call, answer);
    else call.io.out(renderStatus(call.io, answer));
    return statusExitCode(answer);
  },
};

const explain: Command = {
  name: 'explain',
  summary: 'say how a Service stands, why, and what to do next',
  words: 'service NAMESPACE/NAME',
  options: ASKING,
  details: 'Also "service NAMESPACE NAME", and "service NAME" for the namespace default.',
  execute: async (call) => {
    const key = serviceKeyOf(call.words);
    const box = await reachBox(call);
    if (!box) return EXIT.unreachable;
    const explanation = await readExplanation(box.runDir, box.instances, key);
    if (call.flag('json')) json(call, explanation);
    else call.io.out(renderExplanation(call.io, key, explanation));
    return explanationExitCode(explanation);
  },
};

const flows: Command = {
  name: 'flows',
  summary: 'list flows that are in the table now',
  words: '',
  options: {
    vip: { type: 'string', value: 'ADDRESS', help: 'only flows to this address' },
    client: { type: 'string', value: 'ADDRESS', help: 'only flows of this client' },
    backend: { type: 'string', value: 'ADDRESS', help: 'only flows with this backend' },
    limit: { type: 'string', value: 'N', help: 'at most so many (default 100, at most 10000)' },
    ...ASKING,
  },
  details: '',
  execute: async (call) => {
    refuseWords(call);
    const query: Record<string, string> = { limit: call.text('limit') ?? '100' };
    for (const name of ['vip', 'client', 'backend']) {
      const value = call.text(name);
      if (value !== undefined) query[name] = value;
    }
    const box = await reachBox(call);
    if (!box) return EXIT.unreachable;
    return tellFlows(call, box.runDir, box.instances, query as unknown as FlowQuery);
  },
};

async function tellFlows(
  call: Call,
  runDir: string,
  instances: readonly string[],
  query: FlowQuery,
): Promise<number> {
  const answers = await readFlows(runDir, instances, query);
  const found = answers.find((answer) => answer.ok);
  if (found?.ok) {
    if (call.flag('json')) json(call, found.value);
    else call.io.out(renderFlows(call.io, found.value));
    return EXIT.ok;
  }
  const failures = answers.flatMap((answer) => (answer.ok ? [] : [answer]));
  const refused = failures.find(({ failure }) => failure.status === 400);
  if (refused) throw new UsageError(`${refused.failure.message}. ${refused.failure.remedy}`);
  const silent = failures.filter(({ failure }) => failure.status !== 404);
  for (const { instance, failure } of silent) {
    call.io.err(`${instance} ${failure.message}. ${failure.remedy}\n`);
  }
  if (silent.length === 0) {
    call.io.err(
      'No forwarder runs on this box. Start it with "systemctl start tidegate@forwarder"\n',
    );
  }
  return EXIT.unreachable;
}

const detach: Command = {
  name: 'detach',
  summary: 'take the XDP program out of the kernel: nothing is forwarded any more',
  words: '',
  options: { config: CONFIG, json: JSON_OUTPUT },
  details: 'Stop the forwarder first. Connections through this box end.',
  execute: async (call) => {
    refuseWords(call);
    const read = await readSettings(call);
    if (!read.ok) return tellProblems(call, read.problems);
    const detached = await call.actions.detach(read.settings);
    if (call.flag('json')) {
      json(call, detached);
      return EXIT.ok;
    }
    const from = detached.interfaces.join(', ');
    call.io.out(from ? `The program is off ${from}.\n` : 'The program was on no interface.\n');
    if (detached.maps) call.io.out(`The maps in ${read.settings.forwarder.bpfDir} are removed.\n`);
    return EXIT.ok;
  },
};

const defaults: Command = {
  name: 'defaults',
  summary: 'print the settings file with every setting, its default and its reason',
  words: '',
  options: { json: { type: 'boolean', help: 'the settings as programs read them' } },
  details: '',
  execute: async (call) => {
    refuseWords(call);
    const [{ annotatedSettings }, { defaultsAsJson }] = await Promise.all([
      import('../settings/annotated.ts'),
      import('../settings/defaults.ts'),
    ]);
    if (call.flag('json')) json(call, defaultsAsJson());
    else call.io.out(annotatedSettings());
    return EXIT.ok;
  },
};

export const COMMANDS: readonly Command[] = [run, check, status, explain, flows, detach, defaults];

function refuseWords({ words }: Call): void {
  if (words.length > 0) throw new UsageError(`"${words[0]}" is not expected here`);
}

function rolesOf(text: string): RoleName[] {
  const names = text.split(',').map((name) => name.trim());
  const unknown = names.find((name) => !ROLES.some((role) => role === name));
  if (unknown !== undefined) {
    throw new UsageError(`"${unknown}" is not a role; write one or more of ${ROLES.join(',')}`);
  }
  return ROLES.filter((role) => names.includes(role));
}

function serviceKeyOf([kind, first, second, ...more]: readonly string[]): string {
  if (kind !== 'service' && kind !== 'svc') {
    throw new UsageError('Write "explain service NAMESPACE/NAME"');
  }
  if (first === undefined || more.length > 0) throw new UsageError('Name one Service');
  const key = second === undefined ? first : `${first}/${second}`;
  const parts = key.includes('/') ? key.split('/') : ['default', key];
  if (parts.length === 2 && parts.every((part) => /^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$/.test(part))) {
    return parts.join('/');
  }
  throw new UsageError(`"${key}" is not the name of a Service; write NAMESPACE/NAME`);
}

function tellProblems(call: Call, problems: readonly Problem[]): number {
  const errors = problems.filter(({ severity }) => severity === 'error').length;
  if (call.flag('json')) {
    json(call, { problems });
  } else {
    for (const problem of problems) call.io.err(`${problem.severity}: ${formatProblem(problem)}\n`);
    const warnings = problems.length - errors;
    const count = [plural(errors, 'error'), ...(warnings > 0 ? [plural(warnings, 'warning')] : [])];
    call.io.out(problems.length === 0 ? 'No problem found.\n' : `${count.join(', ')}.\n`);
  }
  return errors > 0 ? EXIT.problem : EXIT.ok;
}
