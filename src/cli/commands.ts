import type { Problem } from '../domain/problem.ts';
import { formatProblem } from '../domain/problem.ts';
import type { RoleName } from '../domain/role.ts';
import type { Settings } from '../settings/settings.ts';
import { BGP_COMMANDS } from './bgp/bgp-commands.ts';
import { reachBox, readSettings, settingsFileOf } from './box.ts';
import { type Call, type Command, UsageError } from './command.ts';
import { ASKING, CONFIG, JSON_OUTPUT, refuseWords, tellJson } from './common.ts';
import { EXIT } from './exit-code.ts';
import { explanationExitCode, readExplanation, renderExplanation } from './explain.ts';
import { plural } from './format.ts';
import { INSPECT_COMMANDS } from './inspect/inspect-commands.ts';
import { readStatus, renderStatus, statusExitCode } from './status.ts';

const ROLES: readonly RoleName[] = ['controller', 'speaker', 'forwarder'];

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
      help: 'folder of manifests (default: the folder that the settings name, if any)',
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
      if (read.ok) folder ??= manifestsOf(read.settings);
      else problems.push(...read.problems);
    }
    if (folder !== undefined) problems.push(...(await call.actions.checkManifests(folder)));
    return tellProblems(call, problems);
  },
};

/** Objects of an API server are not there to be looked at offline. */
function manifestsOf({ cluster }: Settings): string | undefined {
  return cluster.source === 'files' ? cluster.files.path : undefined;
}

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
    if (call.flag('json')) tellJson(call, answer);
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
    if (call.flag('json')) tellJson(call, explanation);
    else call.io.out(renderExplanation(call.io, key, explanation));
    return explanationExitCode(explanation);
  },
};

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
      tellJson(call, detached);
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
    if (call.flag('json')) tellJson(call, defaultsAsJson());
    else call.io.out(annotatedSettings());
    return EXIT.ok;
  },
};

export const COMMANDS: readonly Command[] = [
  run,
  check,
  status,
  explain,
  ...BGP_COMMANDS,
  ...INSPECT_COMMANDS,
  detach,
  defaults,
];

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
    tellJson(call, { problems });
  } else {
    for (const problem of problems) call.io.err(`${problem.severity}: ${formatProblem(problem)}\n`);
    const warnings = problems.length - errors;
    const count = [plural(errors, 'error'), ...(warnings > 0 ? [plural(warnings, 'warning')] : [])];
    call.io.out(problems.length === 0 ? 'No problem found.\n' : `${count.join(', ')}.\n`);
  }
  return errors > 0 ? EXIT.problem : EXIT.ok;
}
