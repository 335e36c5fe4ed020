import type { Event, Problem, ServiceDetail, ServiceSummary, Vip } from '../admin/api.ts';
import type { Answer } from './admin-client.ts';

/**
 * Joins what several processes of a box say of the same things: each knows its own part. Where two
 * know the same, the first counts: the controller, which decides, stands before those that read.
 */

export function valuesOf<T>(answers: readonly Answer<T>[]): T[] {
  return answers.flatMap((answer) => (answer.ok ? [answer.value] : []));
}

export function mergeVips(lists: readonly (readonly Vip[])[]): Vip[] {
  return mergeBy(lists, (vip) => vip.address);
}

export function mergeSummaries(lists: readonly (readonly ServiceSummary[])[]): ServiceSummary[] {
  return mergeBy(lists, (service) => service.service);
}

/** One detail of all: what the first that knows a field says of it. */
export function mergeDetails(details: readonly ServiceDetail[]): ServiceDetail | undefined {
  const [merged] = mergeBy([details], (detail) => detail.service);
  return (
    merged && {
      ...merged,
      events: mergeEvents(details.map((detail) => detail.events)),
      problems: mergeProblems(details.map((detail) => detail.problems)),
    }
  );
}

/** Events of all processes in the order of their times. */
function mergeEvents(lists: readonly (readonly Event[])[]): Event[] {
  return lists.flat().sort((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : 0));
}

/** Every process reads the same input and finds the same problems: each is told once. */
export function mergeProblems(lists: readonly (readonly Problem[])[]): Problem[] {
  const unique = new Map(lists.flat().map((problem) => [JSON.stringify(problem), problem]));
  return [...unique.values()].sort((a, b) => rank(a) - rank(b));
}

const rank = ({ severity }: Problem): number => (severity === 'error' ? 0 : 1);

function mergeBy<T extends object>(
  lists: readonly (readonly T[])[],
  keyOf: (item: T) => string,
): T[] {
  const merged = new Map<string, T>();
  for (const item of lists.flat()) {
    const key = keyOf(item);
    merged.set(key, { ...item, ...merged.get(key) });
  }
  return [...merged.values()];
}
