import type { LabProcess } from '../process.ts';

/** A function that tells, once the program has ended, how it ended and what it said. */
export function exitText(program: LabProcess): () => string | undefined {
  let ending: number | string | undefined;
  void program.exited.then((code) => {
    ending = code;
  });
  return () =>
    ending === undefined ? undefined : `The program ended (${ending}): ${program.output()}`;
}
