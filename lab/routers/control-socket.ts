import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

const ANSWER_MS = 10_000;
const READY_MS = 10_000;
const POLL_MS = 10;

/**
 * Asks a program by its UNIX socket, one connection a question, which costs no process: `request` is
 * written once connected, and `answerOf` gets all that came until it finds an end in it.
 */
export function askSocket(
  path: string,
  request: string,
  answerOf: (text: string) => string | undefined,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket: Socket = connect(path);
    let text = '';
    const fail = (error: Error) => {
      socket.destroy();
      reject(error);
    };
    socket.setEncoding('latin1');
    socket.setTimeout(ANSWER_MS, () => fail(new Error(`No answer from ${path} to ${request}`)));
    socket.on('error', fail);
    socket.on('connect', () => socket.write(request, 'latin1'));
    socket.on('data', (chunk: string) => {
      text += chunk;
      const answer = answerOf(text);
      if (answer === undefined) return;
      socket.destroy();
      resolve(answer);
    });
    socket.on('close', () => reject(new Error(`${path} closed after: ${text}`)));
  });
}

/** Asks until the program listens; rejects when it ended, which `ended` tells, or time is up. */
export async function untilListening<T>(
  ask: () => Promise<T>,
  ended: () => string | undefined,
): Promise<T> {
  const deadlineMs = performance.now() + READY_MS;
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      const why = ended();
      if (why !== undefined) throw new Error(why);
      if (code !== 'ENOENT' && code !== 'ECONNREFUSED') throw error;
      if (performance.now() > deadlineMs) throw error;
    }
    await sleep(POLL_MS);
  }
}
