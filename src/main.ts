import { hostname } from 'node:os';
import { parseArgs } from 'node:util';
import { runProcess } from './app/run-process.ts';
import { loadSettings } from './settings/load.ts';

const { values } = parseArgs({
  args: process.argv.slice(3),
  options: { config: { type: 'string', default: '' }, roles: { type: 'string', default: '' } },
});
const result = await loadSettings(values.config, { hostname: hostname() });
if (!result.ok) {
  console.error(result.problems);
  process.exit(2);
}
process.exit(
  await runProcess({
    settings: result.settings,
    roles: values.roles.split(',') as never,
    version: '0.1.0',
  }),
);
