import { isKubeObject, type KubeObject, type WatchEvent } from '../kube-object.ts';
import { ApiError } from '../transport/api-error.ts';
import { statusError } from '../transport/failure.ts';
import { garbage } from './garbage.ts';

/** Objects of one kind; a list that grows beyond it is an answer that never ends. */
export const MAX_OBJECTS = 500_000;

/** What a line of a watch says. An ERROR event is thrown. */
export type WatchMessage =
  | { readonly kind: 'event'; readonly event: WatchEvent }
  | {
      readonly kind: 'bookmark';
      readonly resourceVersion: string;
      /** All objects that there were at the watch's begin have been sent. */
      readonly endsInitial: boolean;
    };

/** What a list says besides its items. */
export interface ListFrame {
  readonly resourceVersion: string;
  /** Leads to the next page; '' at the end. */
  readonly continueToken: string;
}

/** Understands the answers of one path: objects of one kind. */
export interface KindReader {
  /** An item of a list. Throws ApiError (`Garbage`). */
  item(text: string): KubeObject;
  frame(value: unknown): ListFrame;
  /** Throws ApiError: `Garbage`, or what an ERROR event says. */
  line(text: string): WatchMessage;
}

/** `what` names the path in messages. */
export function createKindReader(
  kind: string,
  what: string,
  trim: (object: KubeObject) => KubeObject,
): KindReader {
  function parse(text: string): Record<string, unknown> {
    try {
      const value: unknown = JSON.parse(text);
      if (typeof value === 'object' && value !== null) return value as Record<string, unknown>;
    } catch {
      // Told below, without the parser's message, which quotes the text.
    }
    throw garbage(`${what}: what came is not a JSON object`);
  }

  function objectOf(value: unknown): KubeObject {
    if (isKubeObject(value)) return trim(value);
    throw garbage(`${what}: an object came without name, uid or resourceVersion`);
  }

  return {
    item: (text) => objectOf(parse(text)),
    frame(value) {
      const { kind: listKind, metadata, items } = Object(value) as Record<string, unknown>;
      const { resourceVersion, continue: token = '' } = Object(metadata) as Record<string, unknown>;
      if (listKind !== `${kind}List`) throw garbage(`${what}: the answer is no ${kind}List`);
      if (!isFilled(resourceVersion) || typeof token !== 'string' || items === undefined) {
        throw garbage(`${what}: the list has no resourceVersion, or no items`);
      }
      return { resourceVersion, continueToken: token };
    },
    line(text) {
      const { type, object } = parse(text);
      if (type === 'ERROR') throw statusError(object, what);
      const { kind: objectKind, metadata } = Object(object) as Record<string, unknown>;
      if (objectKind !== kind)
        throw garbage(`${what}: the watch told of something else than ${kind}`);
      if (type === 'BOOKMARK') return bookmarkOf(metadata);
      if (type !== 'ADDED' && type !== 'MODIFIED' && type !== 'DELETED') {
        throw garbage(`${what}: the watch told something unknown`);
      }
      return { kind: 'event', event: { type, object: objectOf(object) } };
    },
  };

  function bookmarkOf(metadata: unknown): WatchMessage {
    const { resourceVersion, annotations } = Object(metadata) as Record<string, unknown>;
    if (!isFilled(resourceVersion)) throw garbage(`${what}: a bookmark came without its place`);
    const endsInitial =
      (Object(annotations) as Record<string, unknown>)['k8s.io/initial-events-end'] === 'true';
    return { kind: 'bookmark', resourceVersion, endsInitial };
  }
}

/** Throws ApiError (`TooLarge`). */
export function checkCount(count: number, what: string): void {
  if (count <= MAX_OBJECTS) return;
  throw new ApiError(`${what}: the list has more than ${MAX_OBJECTS} objects`, {
    status: 0,
    reason: 'TooLarge',
  });
}

function isFilled(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}
