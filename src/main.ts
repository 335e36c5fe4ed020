import { hostname } from 'node:os';
import packageJson from '../package.json' with { type: 'json' };
import { runCli } from './cli/cli.ts';
import type { Actions } from './cli/command.ts';
import { processIo } from './cli/io.ts';

/**
 * The process: arguments in, exit code out. What a command does not need is not loaded, so that
 * `tidegate status` answers in a moment.
 */
const { version } = packageJson;

const actions: Actions = {
  async run({ settings, roles }) {
    const { runProcess } = await import('./app/run-process.ts');
    return runProcess({ settings, roles, version });
  },
  async checkManifests(folder) {
    const { checkManifests } = await import('./app/check-manifests.ts');
    return checkManifests(folder);
  },
  async detach({ runDir, forwarder }) {
    const { detach } = await import('./forwarder/detach.ts');
    return detach({ runDir, bpfDir: forwarder.bpfDir });
  },
};

process.exitCode = await runCli(process.argv.slice(2), {
  io: processIo(),
  actions,
  version,
  hostname: hostname(),
});
