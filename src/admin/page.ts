import Type from 'typebox';

/** Most items of one answer; more are read in pages, so that no request holds up the process. */
const PAGE_MAX = 1000;

/** Query of a list in pages: the items after the one named `after`. */
export const PageQuery = Type.Object(
  {
    limit: Type.Integer({ minimum: 1, maximum: PAGE_MAX, default: PAGE_MAX }),
    after: Type.Optional(Type.String({ maxLength: 600, description: '"next" of the page before' })),
  },
  { additionalProperties: false },
);

interface Page<T> {
  readonly items: T[];
  readonly next?: string;
}

/**
 * Cuts one page out of `sorted`. The cursor is the id of the last item, so that a list that changes
 * between two pages neither repeats nor loses what stays. A cursor that is gone starts after its
 * place.
 */
export function pageOf<S, T>(
  sorted: readonly S[],
  idOf: (item: S) => string,
  query: { readonly limit: number; readonly after?: string },
  encode: (item: S) => T,
  isAfter: (id: string, cursor: string) => boolean = (id, cursor) => id > cursor,
): Page<T> {
  const { limit, after } = query;
  const from = after === undefined ? 0 : sorted.findIndex((item) => isAfter(idOf(item), after));
  const page = from < 0 ? [] : sorted.slice(from, from + limit);
  const last = page.at(-1);
  const more = from >= 0 && last !== undefined && from + limit < sorted.length;
  return { items: page.map(encode), ...(more && { next: idOf(last) }) };
}
