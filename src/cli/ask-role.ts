import type { RoleName } from '../domain/role.ts';
import type { Answer } from './admin-client.ts';
import { reachBox } from './box.ts';
import { type Call, UsageError } from './command.ts';
import { EXIT } from './exit-code.ts';

/** Asks all processes what only one role knows. Tells the one answer there is, or why there is none. */
export async function askRole<T>(
  call: Call,
  role: RoleName,
  ask: (runDir: string, instances: readonly string[]) => Promise<Answer<T>[]>,
  tell: (answer: T, instance: string, runDir: string) => number | Promise<number>,
): Promise<number> {
  const box = await reachBox(call);
  if (!box) return EXIT.unreachable;
  const answers = await ask(box.runDir, box.instances);
  const found = answers.find((answer) => answer.ok);
  if (found?.ok) return tell(found.value, found.instance, box.runDir);
  const failures = answers.flatMap((answer) => (answer.ok ? [] : [answer]));
  const refused = failures.find(({ failure }) => failure.status === 400);
  if (refused) throw new UsageError(`${refused.failure.message}. ${refused.failure.remedy}`);
  const told = failures.filter(({ failure }) => failure.status !== 404);
  for (const { instance, failure } of told) {
    call.io.err(`${instance} ${failure.message}. ${failure.remedy}\n`);
  }
  if (told.some(({ failure }) => failure.kind === 'refused')) return EXIT.problem;
  if (told.length === 0) {
    call.io.err(`No ${role} runs on this box. Start it with "systemctl start tidegate@${role}"\n`);
  }
  return EXIT.unreachable;
}
