import { loadNative } from './native.ts';

/** One offload of an interface, as `ethtool -k` shows it. */
export interface Feature {
  readonly active: boolean;
  /** The driver does not let anybody change it. */
  readonly fixed: boolean;
}

interface EthtoolBinding {
  ethtoolFeatures(name: string): Readonly<Record<string, Feature>>;
  ethtoolSetFeature(name: string, feature: string, on: boolean): void;
}

/**
 * The features of an interface by the kernel's names (`rx-lro`, `rx-gro-hw`, …). Throws with `code`:
 * `ENODEV` when there is no such interface.
 */
export function readFeatures(name: string): ReadonlyMap<string, Feature> {
  return new Map(Object.entries(loadNative<EthtoolBinding>().ethtoolFeatures(name)));
}

/**
 * Turns one on or off; one that the interface does not have, or that is fixed, stays as it is.
 * Throws with `code`: `EPERM` without CAP_NET_ADMIN.
 */
export function setFeature(name: string, feature: string, on: boolean): void {
  loadNative<EthtoolBinding>().ethtoolSetFeature(name, feature, on);
}
