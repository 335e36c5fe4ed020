import test from 'ava';
import type { ServiceForwarding } from '../../src/domain/forwarding.ts';
import { KeyedMap } from '../../src/domain/keyed-map.ts';
import { tellAlarms } from '../../src/forwarder/tell-alarms.ts';
import { recordingLog } from '../support/recording-log.ts';

function part(alarms: readonly string[]): ServiceForwarding {
  return {
    service: 'default/web',
    addresses: [],
    servers: [],
    checks: [],
    servable: true,
    reason: '',
    alarms,
    notes: [],
  };
}

test('tellAlarms() logs an alarm once when it comes and once when it goes', (t) => {
  const log = recordingLog();
  const lines = () => log.lines.map(({ level, message }) => `${level} ${message}`);
  const quiet = KeyedMap.from([['default/web', part([])]]);
  const loud = quiet.with('default/web', part(['all fail']));
  tellAlarms(quiet, loud, 7, log);
  t.deepEqual(lines(), ['error all fail']);
  t.deepEqual(log.lines[0]?.fields, { object: 'Service default/web', revision: 7 });
  tellAlarms(loud, loud.with('default/web', part(['all fail'])), 8, log);
  t.is(lines().length, 1);
  tellAlarms(loud, quiet, 9, log);
  t.is(lines().at(-1), 'info No longer: all fail');
  tellAlarms(loud, KeyedMap.empty(), 10, log);
  t.is(lines().length, 3);
});
