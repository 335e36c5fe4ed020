import { fileURLToPath } from 'node:url';
import type { DemoEndpoint } from './endpoint-slices.ts';

/** Manifests of the demo. */
export const MANIFESTS = fileURLToPath(new URL('../../config/demo', import.meta.url));

/** Where the demo's Kubernetes objects live: a folder, or a real API server. */
export interface DemoCluster {
  /** Lines of tidegate.yaml that name it. */
  readonly settings: string;
  /** How to look at it while it is kept, as rows of what and how. */
  readonly wayIn: readonly (readonly [what: string, how: string])[];
  /** Puts a manifest of `config/demo` into it, shows how, and returns its text. */
  add(file: string): Promise<string>;
  /** Replaces the EndpointSlices; in a cluster, the endpoint controller does that. */
  writeEndpoints(endpoints: readonly DemoEndpoint[]): Promise<void>;
  /** Present where there is an API server. */
  readonly api?: DemoApi;
}

/** What the demo does with an API server besides. */
export interface DemoApi {
  /** Shows a kubectl command, runs it, shows what it prints and returns that. */
  kubectl(...words: readonly string[]): Promise<string>;
  /** Runs kubectl without showing it. */
  ask(...words: readonly string[]): Promise<string>;
  /** Ends the API server by SIGKILL. */
  kill(): Promise<void>;
  start(): Promise<void>;
}
