import type { EndpointSlice, ServiceEndpoints } from '../domain/endpoints.ts';
import type { ObjectKey } from '../domain/object.ts';
import type { ClusterObject } from './decode/cluster-object.ts';
import type { ServiceSlices } from './decode/endpoint-slice.ts';

/** Which slices belong to which Service. */
export interface EndpointsIndex {
  /** Puts `now` in the place of `before`; returns the Services whose endpoints this concerns. */
  replace(before: ClusterObject | undefined, now: ClusterObject | undefined): Set<ObjectKey>;
  /**
   * A Service's EndpointSlices, sorted by key; those of its Endpoints object when it has no slice (the
   * API server mirrors Endpoints into slices, so a slice always knows better). The same object as
   * before when no slice of it differs.
   */
  get(service: ObjectKey): ServiceEndpoints | undefined;
}

type ByKey = Map<ObjectKey, ServiceSlices>;

export function createEndpointsIndex(): EndpointsIndex {
  const groups = {
    EndpointSlice: new Map<ObjectKey, ByKey>(),
    Endpoints: new Map<ObjectKey, ByKey>(),
  };
  const given = new Map<ObjectKey, ServiceEndpoints>();

  function groupOf(object: ClusterObject | undefined) {
    if (object?.kind !== 'EndpointSlice' && object?.kind !== 'Endpoints') return undefined;
    const { value } = object;
    return value.service === undefined
      ? undefined
      : { groups: groups[object.kind], service: value.service, value };
  }

  function replace(before: ClusterObject | undefined, now: ClusterObject | undefined) {
    const concerned = new Set<ObjectKey>();
    const old = groupOf(before);
    if (old) {
      const group = old.groups.get(old.service);
      group?.delete(old.value.key);
      if (group?.size === 0) old.groups.delete(old.service);
      concerned.add(old.service);
    }
    const fresh = groupOf(now);
    if (fresh) {
      const group = fresh.groups.get(fresh.service) ?? new Map();
      fresh.groups.set(fresh.service, group.set(fresh.value.key, fresh.value));
      concerned.add(fresh.service);
    }
    return concerned;
  }

  function get(service: ObjectKey): ServiceEndpoints | undefined {
    const group = groups.EndpointSlice.get(service) ?? groups.Endpoints.get(service);
    if (group === undefined) {
      given.delete(service);
      return undefined;
    }
    const slices = [...group.values()].flatMap((member) => member.slices).sort(byKey);
    const before = given.get(service);
    if (before && sameSlices(before.slices, slices)) return before;
    const endpoints = { service, slices };
    given.set(service, endpoints);
    return endpoints;
  }

  return { replace, get };
}

function byKey(a: EndpointSlice, b: EndpointSlice): number {
  return a.key < b.key ? -1 : a.key > b.key ? 1 : 0;
}

function sameSlices(a: readonly EndpointSlice[], b: readonly EndpointSlice[]): boolean {
  return a.length === b.length && a.every((slice, index) => slice === b[index]);
}
