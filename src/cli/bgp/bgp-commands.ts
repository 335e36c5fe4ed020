import { askRole } from '../ask-role.ts';
import { type Call, type Command, UsageError } from '../command.ts';
import { ASKING, tellJson } from '../common.ts';
import { EXIT } from '../exit-code.ts';
import { renderBfd } from './bfd-sessions.ts';
import { readBfd, readReceived, readRoutes, readSessions } from './bgp-answers.ts';
import { renderReceived, renderRoutes } from './bgp-routes.ts';
import { renderSession, renderSessions } from './bgp-sessions.ts';

/** What the speaker of this box says to routers. */

type Read<T> = Parameters<typeof askRole<T>>[2];

const bgp: Command = {
  name: 'bgp',
  summary: 'show BGP sessions, what peers are told, and what they announce',
  words: '[peers|routes|received] [PEER]',
  options: ASKING,
  details:
    'peers: sessions, and all of one when it is named. routes: prefixes and to whom, and why other\n' +
    'addresses are not announced. received: what peers announce; nothing of it is installed.\n' +
    '"peers" ends with 1 when a session is not established.',
  execute: async (call) => {
    const [what = 'peers', peer, ...more] = call.words;
    if (more.length > 0) throw new UsageError('Name one peer, or none for all');
    switch (what) {
      case 'peers':
        return showSessions(call, peer);
      case 'routes':
        return show(
          call,
          (runDir, instances) => readRoutes(runDir, instances, peer),
          (answer) => renderRoutes(call.io, answer),
        );
      case 'received':
        return show(
          call,
          (runDir, instances) => readReceived(runDir, instances, peer),
          (answer) => renderReceived(call.io, answer),
        );
      default:
        throw new UsageError(`"${what}" is not one of peers, routes, received`);
    }
  },
};

function showSessions(call: Call, peer: string | undefined): Promise<number> {
  return show(
    call,
    (runDir, instances) => readSessions(runDir, instances, peer),
    ({ items }) =>
      peer === undefined
        ? renderSessions(call.io, items)
        : items.map((session) => renderSession(call.io, session)).join('\n'),
    ({ items }) => items.every(({ state }) => state === 'Established'),
  );
}

const bfd: Command = {
  name: 'bfd',
  summary: 'show which peers are watched by BFD, and how they stand',
  words: '[PEER]',
  options: ASKING,
  details: 'Ends with 1 when a session is not up.',
  execute: async (call) => {
    const [peer, ...more] = call.words;
    if (more.length > 0) throw new UsageError('Name one peer, or none for all');
    return show(
      call,
      (runDir, instances) => readBfd(runDir, instances, peer),
      (answer) => renderBfd(call.io, answer),
      ({ items }) => items.every(({ state }) => state === 'Up'),
    );
  },
};

function show<T>(
  call: Call,
  read: Read<T>,
  render: (answer: T) => string,
  isWell: (answer: T) => boolean = () => true,
): Promise<number> {
  return askRole(call, 'speaker', read, (answer) => {
    if (call.flag('json')) tellJson(call, answer);
    else call.io.out(render(answer));
    return isWell(answer) ? EXIT.ok : EXIT.problem;
  });
}

export const BGP_COMMANDS: readonly Command[] = [bgp, bfd];
