import type { SessionConfig } from '../../../../src/protocol/bgp/session/session-config.ts';
import type { SessionEvent } from '../../../../src/protocol/bgp/session/session-event.ts';
import {
  isAgreed,
  isOutgoing,
  type SessionState,
} from '../../../../src/protocol/bgp/session/session-state.ts';
import type { Stepped } from '../../../../src/protocol/bgp/session/step.ts';

/** What is wrong between a state and the next: effects and state must tell the same story. */
export function problemOf(
  before: SessionState,
  event: SessionEvent,
  { state, effects }: Stepped,
): string | undefined {
  const timers = new Set(Object.keys(before.timers));
  const open = new Set<string>(before.connections.map(({ id }) => id));
  if (event.kind === 'timer') timers.delete(event.timer);
  if (event.kind === 'connected') open.add(event.connection);
  let isEstablished = before.state === 'Established';
  let shown = before.state;
  for (const effect of effects) {
    if (effect.kind === 'setTimer') timers.add(effect.timer);
    if (effect.kind === 'setTimer' && !(effect.afterMs > 0)) return 'timer without a time';
    if (effect.kind === 'clearTimer' && !timers.delete(effect.timer)) return 'timer cleared twice';
    if (effect.kind === 'connect') open.add(effect.connection);
    if (effect.kind === 'close' && !open.delete(effect.connection)) return 'closed twice';
    if (effect.kind === 'send' && !open.has(effect.connection)) return 'sent into the void';
    if (effect.kind === 'established' || effect.kind === 'lost') {
      if (isEstablished === (effect.kind === 'established')) return `${effect.kind} twice`;
      isEstablished = !isEstablished;
    }
    if (effect.kind === 'stateChanged' && effect.from !== shown)
      return 'state changed from another';
    if (effect.kind === 'stateChanged') shown = effect.to;
  }
  if (isEstablished !== (state.state === 'Established')) return 'established, or not';
  if (shown !== state.state) return 'a state that nobody was told of';
  if (!isSame(timers, Object.keys(state.timers))) return 'timers that nobody was told of';
  const connections = state.connections.map(({ id }) => id);
  return isSame(open, connections) ? undefined : 'connections that nobody was told of';
}

function isSame(left: ReadonlySet<string>, right: readonly string[]): boolean {
  return left.size === right.length && right.every((one) => left.has(one));
}

/** What a state must not be. */
export function lackOf(state: SessionState, config: SessionConfig): string | undefined {
  const { connections, timers, running } = state;
  const incoming = connections.filter((one) => !isOutgoing(one) && one.phase !== 'established');
  if (connections.filter(isAgreed).length > 1) return 'agreed on two connections';
  if (connections.filter(isOutgoing).length > 1 || incoming.length > 1)
    return 'connections pile up';
  if (!running && connections.length + Object.keys(timers).length > 0) return 'stopped and busy';
  const mute = connections.filter((one) => timers[`hold/${one.id}`] === undefined);
  if (mute.some(({ phase }) => phase === 'openSent' || phase === 'openConfirm'))
    return 'waits for ever for the peer';
  if (connections.some(isAgreed) && (timers.connectRetry ?? timers.idleHold) !== undefined)
    return 'waits for what it has';
  const waits = timers.connectRetry ?? timers.idleHold;
  const idle = connections.every((one) => one.phase === 'connecting' || !isOutgoing(one));
  if (running && !config.passive && idle && !connections.some(isAgreed) && waits === undefined)
    return 'never tries again';
  return undefined;
}
