import { isObject } from '../../decode/field.ts';
import type { ApiConnection } from '../transport/connection.ts';
import type { CustomResource } from './kinds.ts';

/**
 * Whether the API server says in so many words that it does not know a custom kind. A 404 alone says
 * that of whatever answers at the address, and nothing is to be given up for that.
 */
export async function isSurelyMissing(
  connection: Pick<ApiConnection, 'request'>,
  { group, version, plural }: CustomResource,
): Promise<boolean> {
  const groups = await listOf(connection, '/apis', 'APIGroupList', 'groups');
  const known = groups?.find((one) => one['name'] === group);
  if (!known) return groups !== undefined;
  const versions = Array.isArray(known['versions']) ? known['versions'].filter(isObject) : [];
  if (!versions.some((one) => one['version'] === version)) return true;
  const path = `/apis/${group}/${version}`;
  const resources = await listOf(connection, path, 'APIResourceList', 'resources');
  return resources !== undefined && !resources.some((one) => one['name'] === plural);
}

async function listOf(
  connection: Pick<ApiConnection, 'request'>,
  path: string,
  kind: string,
  field: string,
): Promise<readonly Record<string, unknown>[] | undefined> {
  const answer = await connection.request({ method: 'GET', path });
  if (!isObject(answer) || answer['kind'] !== kind) return undefined;
  const list = answer[field];
  return Array.isArray(list) ? list.filter(isObject) : undefined;
}
