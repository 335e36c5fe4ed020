import { type Call, type Option, UsageError } from './command.ts';

/** Options that several commands have. */
export const CONFIG: Option = {
  type: 'string',
  value: 'FILE',
  help: 'settings file (default /etc/tidegate/tidegate.yaml)',
};
export const JSON_OUTPUT: Option = { type: 'boolean', help: 'answer in JSON, for programs' };
/** Of commands that ask the processes of this box. */
export const ASKING = {
  config: CONFIG,
  'run-dir': {
    type: 'string',
    value: 'DIR',
    help: 'folder of the sockets (default: runDir of the settings)',
  },
  json: JSON_OUTPUT,
} as const satisfies Record<string, Option>;

export function tellJson(call: Call, value: unknown): void {
  call.io.out(`${JSON.stringify(value, undefined, 2)}\n`);
}

/** For commands that take options alone. Throws `UsageError`. */
export function refuseWords({ words }: Call): void {
  if (words.length > 0) throw new UsageError(`"${words[0]}" is not expected here`);
}
