import { setImmediate as turn } from 'node:timers/promises';
import { JOURNAL_ANNOTATION } from '../../../../src/cluster/kubernetes/leader/journal.ts';
import { refusal, type SimKind, simulatedApi } from './simulated-api.ts';
import { changeCluster } from './simulated-people.ts';
import {
  type Call,
  type ProcessWorld,
  type Protocol,
  type SimulatedProcess,
  startProcess,
} from './simulated-process.ts';
import { createRules, type Rules } from './simulated-rules.ts';

/** What happens (0–99), and to whom or how (0–999): a schedule is a list of these. */
export type Command = readonly [what: number, which: number];

export const MAX_WHAT = 99;
export const MAX_WHICH = 999;

/** After the last fault everything has to be in order within this time. */
const REST_MS = 600_000;
const STEPS_TO_REST = 20_000;
/** A standby takes over after so long. */
const TAKE_OVER_MS = 11_000;
const KINDS: readonly SimKind[] = ['services', 'pools', 'lease'];
const TICKS_MS = [1, 50, 200, 500, 1_000, 2_000, 3_000, 5_000, 8_000, 11_000, 40_000];

interface Sent {
  readonly call: Call;
  readonly id: number;
  arrived: boolean;
  /** Arrives when the schedule says so. */
  late: boolean;
  answer: { readonly value?: unknown; readonly error?: unknown };
}

interface Action {
  readonly name: string;
  run(): void;
}

/**
 * Runs a schedule: some controllers, an API server and people, where everything that takes time takes
 * as long as the schedule says. Throws when a rule is broken. Equal arguments, equal results.
 */
export async function runSchedule(
  commands: readonly Command[],
  protocol: Protocol,
  trace: string[] = [],
): Promise<void> {
  const world = new World(protocol, trace);
  await world.begin();
  for (const [what, which] of commands) await world.obey(what, which);
  if (protocol.journal && protocol.fence) await world.rest();
}

/** A class, since it is all state. */
class World {
  #nowMs = 1_000;
  #ids = 0;
  #terms = 0;
  #seed = 1;
  #current: Call | undefined;
  readonly #protocol: Protocol;
  readonly #trace: string[];
  readonly #processes: SimulatedProcess[] = [];
  #calls: Sent[] = [];
  #gates: { process: SimulatedProcess; open: () => void }[] = [];
  readonly #rules: Rules;
  readonly #api = simulatedApi((kind, event) => {
    if (kind === 'services') this.#rules.afterService(event, this.#current);
    if (kind === 'pools') this.#rules.afterPool();
  });
  #failure: unknown;

  constructor(protocol: Protocol, trace: string[]) {
    this.#protocol = protocol;
    this.#trace = trace;
    const isWhole = protocol.journal && protocol.fence;
    this.#rules = createRules(() => this.#api, isWhole ? 'all' : 'twice');
  }

  async begin(): Promise<void> {
    for (const which of [0, 100, 101]) this.#people(which);
    this.#start();
    await this.#flow(60);
    this.#start();
    await this.#flow(30);
  }

  async obey(what: number, which: number): Promise<void> {
    if (what < 20) await this.#flow((which % 30) + 1);
    else if (what < 45) await this.#pick(which);
    else if (what < 53) await this.#advance(TICKS_MS[which % TICKS_MS.length] as number);
    else if (what < 60) this.#people(which);
    else if (what < 72) await this.#change(which);
    else if (what < 79) await this.#handOver(which);
    else if (what < 83) this.#pause(which);
    else if (what < 86) this.#crashOrStart(which);
    else if (what < 87) this.#stop(which);
    else if (what < 88) this.#partition(which);
    else if (what < 91) await this.#comeLate(which);
    else if (what < 96) this.#fault(which);
    else if (what < 98) this.#tamper(which);
    else this.#jump(which);
    await this.#turn();
  }

  /** Ends all faults, and lets time pass until everything is in order. */
  async rest(): Promise<void> {
    for (const process of this.#processes) {
      this.#release(process);
      process.partitioned = false;
    }
    if (!this.#processes.some(({ alive, stopping }) => alive && !stopping)) this.#start();
    for (const sent of this.#calls) sent.late = false;
    const untilMs = this.#nowMs + REST_MS;
    for (let steps = 0; steps < STEPS_TO_REST && this.#nowMs < untilMs; steps++) {
      const actions = this.#actions();
      // Each in its turn: two who write over one another must not keep the news from either.
      const action = actions[steps % Math.max(1, actions.length)];
      if (action) await this.#do(action);
      else if (this.#rules.unrest(this.#processes) === undefined) return;
      else await this.#advance(this.#untilNextTimer());
    }
    throw this.#said(new Error(`No rest: ${this.#rules.unrest(this.#processes)}`));
  }

  /** What can happen now, the oldest first. */
  #actions(): Action[] {
    const actions: Action[] = this.#gates
      .filter(({ process }) => isRunning(process))
      .map((gate) => ({ name: `${gate.process.name} goes on`, run: () => this.#open(gate) }));
    for (const sent of this.#calls) {
      const { process, request } = sent.call;
      if (process.partitioned || (sent.late && !sent.arrived)) continue;
      const name = `#${sent.id} ${process.name} ${request.method} ${request.path}`;
      if (!sent.arrived) actions.push({ name: `${name} arrives`, run: () => this.#arrive(sent) });
      else if (isRunning(process)) {
        actions.push({ name: `${name} is answered`, run: () => this.#answer(sent) });
      }
    }
    for (const process of this.#processes) {
      if (!isRunning(process)) continue;
      if (!process.partitioned) actions.push(...this.#eventsFor(process));
      const { clock, name } = process;
      if (clock.nextMs() <= clock.monotonicMs()) {
        actions.push({ name: `${name} timer`, run: () => clock.fire() });
      }
    }
    return actions;
  }

  #eventsFor(process: SimulatedProcess): Action[] {
    return KINDS.flatMap((kind) => {
      const place = process.places[kind];
      const event = place === undefined ? undefined : this.#api.log[kind][place];
      if (!event || place === undefined) return [];
      const { metadata } = event.object;
      const name = `${process.name} sees ${event.type} ${event.key} ${metadata.resourceVersion}`;
      const run = () => {
        process.places[kind] = place + 1;
        process.take(kind, event);
      };
      return [{ name, run }];
    });
  }

  async #do(action: Action): Promise<void> {
    this.#say(action.name);
    action.run();
    await this.#turn();
  }

  /** Lets the processes do what does not wait for anything. */
  async #turn(): Promise<void> {
    await turn();
    this.#rules.noteLeaders(this.#processes.filter(isRunning));
    if (this.#failure !== undefined) throw this.#said(this.#failure);
  }

  async #flow(steps: number): Promise<void> {
    for (let step = 0; step < steps; step++) {
      const [action] = this.#actions();
      if (!action) break;
      await this.#do(action);
    }
  }

  async #pick(which: number): Promise<void> {
    const actions = this.#actions();
    const action = actions[which % Math.max(1, actions.length)];
    if (action) await this.#do(action);
  }

  /** Somebody changes something, and the answer to it gets some way. */
  async #change(which: number): Promise<void> {
    this.#people(which);
    await this.#turn();
    await this.#flow(Math.floor(which / 7) % 14);
  }

  /**
   * Somebody changes something; in the middle of the answer to it who leads stands still or is cut off,
   * and what it has sent takes its time; another takes over, while something else changes.
   */
  async #handOver(which: number): Promise<void> {
    const leader = this.#processes.find((process) => isRunning(process) && process.leads());
    if (!leader) return;
    const upTo = numbers(which);
    this.#people(upTo(MAX_WHICH));
    await this.#turn();
    const isWriting = ({ call, arrived }: Sent) =>
      call.process === leader && !arrived && call.request.method === 'PATCH';
    for (let left = upTo(25); left > 0 && !this.#calls.some(isWriting); left--) await this.#flow(1);
    for (const sent of this.#calls) if (sent.call.process === leader) sent.late = true;
    const how = upTo(3);
    if (how === 0) leader.partitioned = true;
    else if (how < 3) this.#hold(leader, how === 1 ? 'frozen' : 'stopped');
    this.#say(`${leader.name} is out of the way: ${leader.paused} ${leader.partitioned}`);
    for (let changes = upTo(2); changes > 0; changes--) this.#people(upTo(MAX_WHICH));
    await this.#advance(TAKE_OVER_MS);
    await this.#flow(10 + upTo(10));
    for (let left = upTo(40); left > 0; left--) {
      if (upTo(7) === 0) await this.#comeLate(upTo(MAX_WHICH));
      else if (upTo(2) === 0) await this.#pick(upTo(MAX_WHICH));
      else await this.#flow(1);
    }
  }

  /** What was on its way for long arrives. */
  async #comeLate(which: number): Promise<void> {
    const late = this.#calls.filter((sent) => sent.late && !sent.arrived);
    const sent = late[which % Math.max(1, late.length)];
    if (!sent) return;
    this.#say(`#${sent.id} ${sent.call.process.name} arrives late`);
    this.#arrive(sent);
    await this.#turn();
  }

  async #advance(ms: number): Promise<void> {
    this.#nowMs += ms;
    this.#say(`${ms} ms pass: ${this.#nowMs}`);
    await this.#turn();
  }

  #untilNextTimer(): number {
    const dueMs = this.#processes
      .filter(isRunning)
      .map(({ clock }) => Math.max(1, clock.nextMs() - clock.monotonicMs()));
    return Math.min(REST_MS, ...dueMs);
  }

  #arrive(sent: Sent): void {
    const { call } = sent;
    sent.arrived = true;
    this.#current = call;
    try {
      sent.answer = { value: this.#api.handle(call.request) };
    } catch (error) {
      sent.answer = { error };
      if (!(error instanceof Error && error.name === 'ApiError')) this.#failure = error;
    }
    this.#current = undefined;
    this.#say(`  ${describe(sent)}`);
    if (call.over || !call.process.alive) this.#forget(sent);
  }

  #answer(sent: Sent): void {
    const { call, answer } = sent;
    this.#forget(sent);
    if (call.over) return;
    call.over = true;
    if (answer.error) call.promise.reject(answer.error);
    else call.promise.resolve(answer.value);
  }

  #forget(sent: Sent): void {
    this.#calls = this.#calls.filter((other) => other !== sent);
  }

  #open(gate: { open: () => void }): void {
    this.#gates = this.#gates.filter((other) => other !== gate);
    gate.open();
  }

  #start(): void {
    const name = `c${this.#processes.length}`;
    this.#say(`${name} starts`);
    const process = startProcess(name, this.#processWorld(), this.#random(), this.#protocol);
    this.#processes.push(process);
  }

  #processWorld(): ProcessWorld {
    return {
      nowMs: () => this.#nowMs,
      nextTerm: () => ++this.#terms,
      send: (call) => {
        this.#calls.push({ call, id: ++this.#ids, arrived: false, late: false, answer: {} });
        this.#say(
          `  #${this.#ids} ${call.process.name} sends ${JSON.stringify(call.request.body)}`,
        );
      },
      gate: (process) => {
        const { promise, resolve } = Promise.withResolvers<void>();
        this.#gates.push({ process, open: resolve });
        return promise;
      },
    };
  }

  #random(): () => number {
    return randomFrom(this.#seed++);
  }

  #alive(which: number): SimulatedProcess | undefined {
    const alive = this.#processes.filter((process) => process.alive);
    return alive[which % Math.max(1, alive.length)];
  }

  #people(which: number): void {
    this.#say(changeCluster(this.#api, which));
  }

  #pause(which: number): void {
    const process = this.#alive(which >> 2);
    if (!process) return;
    if (process.paused === 'no') this.#hold(process, which % 2 === 0 ? 'stopped' : 'frozen');
    else this.#release(process);
    this.#say(`${process.name} is paused: ${process.paused}`);
  }

  #hold(process: SimulatedProcess, how: 'stopped' | 'frozen'): void {
    process.paused = how;
    if (how === 'frozen') process.clock.freeze();
  }

  #release(process: SimulatedProcess): void {
    if (process.paused === 'frozen') process.clock.thaw();
    process.paused = 'no';
  }

  #crashOrStart(which: number): void {
    const running = this.#processes.filter((process) => process.alive);
    if (running.length < 3 && which % 2 === 0) {
      this.#start();
      return;
    }
    const process = this.#alive(which >> 1);
    if (!process) return;
    this.#say(`${process.name} crashes`);
    process.alive = false;
    this.#gates = this.#gates.filter((gate) => gate.process !== process);
  }

  #stop(which: number): void {
    const process = this.#alive(which);
    if (!process || process.stopping || !isRunning(process)) return;
    this.#say(`${process.name} is stopped`);
    void process.stop();
  }

  #partition(which: number): void {
    const process = this.#alive(which);
    if (!process) return;
    process.partitioned = !process.partitioned;
    this.#say(`${process.name} is cut off: ${process.partitioned}`);
  }

  /** Something goes wrong with a request. */
  #fault(which: number): void {
    const sent = this.#calls[(which >> 3) % Math.max(1, this.#calls.length)];
    if (!sent) return;
    const kind = which % 4;
    this.#say(`fault ${kind} at #${sent.id}`);
    if (kind === 0 && !sent.arrived) this.#forget(sent);
    else if (kind === 1 && sent.arrived) this.#forget(sent);
    else if (kind === 2) sent.answer = { error: refusal(500, 'InternalError') };
    else if (!sent.arrived) {
      sent.arrived = true;
      sent.answer = { error: refusal([429, 403, 503][which % 3] as number, 'Refused') };
    }
  }

  /** People who put their hands on the Lease. */
  #tamper(which: number): void {
    const key = 'tidegate-system/tidegate-controller';
    const kind = which % 5;
    this.#say(`tampering ${kind}`);
    if (kind === 0) this.#api.remove('lease', key);
    else {
      this.#api.edit('lease', key, (object) => {
        const spec = object['spec'] as Record<string, unknown>;
        const annotations = { [JOURNAL_ANNOTATION]: which % 2 === 0 ? 'garbage' : '{"v":7}' };
        if (kind === 1) return { ...object, metadata: { ...object.metadata, annotations } };
        if (kind === 2) return { ...object, spec: { ...spec, holderIdentity: 'somebody' } };
        if (kind === 3) return { ...object, spec: {} };
        return { ...object, metadata: { ...object.metadata, labels: { a: String(which) } } };
      });
    }
  }

  #jump(which: number): void {
    const process = this.#alive(which);
    process?.clock.jump((which % 2 === 0 ? 1 : -1) * 3_600_000);
  }

  #say(text: string): void {
    this.#trace.push(text);
  }

  #said(error: unknown): Error {
    const message = error instanceof Error ? error.message : String(error);
    return new Error(message, { cause: error });
  }
}

/** mulberry32 */
function randomFrom(seed: number): () => number {
  let state = seed * 0x9e3779b9;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Several choices out of one: each call gives another number up to `most`. */
function numbers(seed: number): (most: number) => number {
  const random = randomFrom(seed + 1);
  return (most) => Math.floor(random() * (most + 1));
}

function isRunning({ alive, paused }: SimulatedProcess): boolean {
  return alive && paused === 'no';
}

function describe({ id, answer }: Sent): string {
  const { error, value } = answer;
  return `#${id}: ${error instanceof Error ? error.message : JSON.stringify(value)?.slice(0, 600)}`;
}
