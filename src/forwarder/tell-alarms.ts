import type { ServiceForwarding } from '../domain/forwarding.ts';
import type { KeyedMap } from '../domain/keyed-map.ts';
import type { Log } from '../domain/log.ts';

/** Logs each alarm of a Service when it comes and when it goes. Cost grows with what changed. */
export function tellAlarms(
  before: KeyedMap<ServiceForwarding>,
  now: KeyedMap<ServiceForwarding>,
  revision: number,
  log: Log,
): void {
  for (const key of now.changedKeys(before)) {
    const old = before.get(key)?.alarms ?? [];
    const current = now.get(key)?.alarms ?? [];
    const fields = { object: `Service ${key}`, revision };
    for (const alarm of current) if (!old.includes(alarm)) log.error(alarm, fields);
    for (const alarm of old) if (!current.includes(alarm)) log.info(`No longer: ${alarm}`, fields);
  }
}
