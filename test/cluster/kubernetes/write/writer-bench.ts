import type { KubeObject } from '../../../../src/cluster/kubernetes/kube-object.ts';
import type { JournalEntry } from '../../../../src/cluster/kubernetes/leader/journal.ts';
import { statusOf } from '../../../../src/cluster/kubernetes/status/api-status.ts';
import {
  type StatusBase,
  statusBaseOf,
} from '../../../../src/cluster/kubernetes/status/status-base.ts';
import {
  createStatusWriter,
  type StatusWriterOptions,
} from '../../../../src/cluster/kubernetes/write/status-writer.ts';
import { fakeClock } from '../../../support/fake-clock.ts';
import { recordingLog } from '../../../support/recording-log.ts';
import { fakeServices } from './fake-services.ts';

/** A journal in memory. */
export function fakeLeader() {
  const pending = new Map<string, JournalEntry>();
  const leader = {
    leading: true,
    refusal: undefined as Error | undefined,
    /** Keys of each `begin`. */
    begun: [] as string[][],
    leads: () => leader.leading,
    pending: () => pending,
    term: () => 1,
    async begin(entries: readonly JournalEntry[]) {
      if (leader.refusal) throw leader.refusal;
      leader.begun.push(entries.map(({ service }) => service));
      for (const entry of entries) pending.set(entry.service, entry);
    },
    end(entries: Iterable<JournalEntry>) {
      for (const entry of entries) {
        const known = pending.get(entry.service);
        if (known?.resourceVersion === entry.resourceVersion) pending.delete(entry.service);
      }
    },
  };
  return leader;
}

/** A writer at a fake API server; the cache of Services follows only when `watch` is called. */
export function writerBench() {
  const server = fakeServices();
  const leader = fakeLeader();
  const clock = fakeClock();
  const log = recordingLog();
  const bases = new Map<string, StatusBase>();
  const said: string[] = [];
  const take = ({ metadata }: KubeObject, object: KubeObject) => {
    const key = `${metadata.namespace}/${metadata.name}`;
    const known = bases.get(key);
    if (known && Number(known.resourceVersion) >= Number(metadata.resourceVersion)) return;
    bases.set(key, statusBaseOf(object));
  };
  const options: StatusWriterOptions = {
    connection: server,
    leader,
    events: {
      record: ({ name }, { type, reason }, count = 1) =>
        void said.push(`${name} ${type} ${reason} ${count}`),
      stop: () => {},
    },
    baseOf: (key) => bases.get(key),
    onWritten: (object) => take(object, object),
    onEvents: (key) => void said.push(`onEvents ${key}`),
    clock,
    log,
  };
  const writer = createStatusWriter(options);
  return {
    server,
    leader,
    clock,
    log,
    bases,
    said,
    writer,
    /** The cache learns all that is on the server. */
    watch() {
      for (const key of server.keys()) {
        const object = server.get(key);
        if (object) take(object, object);
      }
      for (const key of bases.keys()) if (!server.get(key)) bases.delete(key);
    },
    status(key: string) {
      const base = bases.get(key);
      return base && statusOf(base, writer.eventsOf(base.uid));
    },
  };
}
