/** Sizes and limits, and how often each kind of thing was written since the start. */
export interface DataplaneUsage {
  readonly servers: { readonly used: number; readonly limit: number };
  readonly backends: { readonly used: number; readonly limit: number };
  readonly rings: { readonly chunks: number; readonly words: number };
  readonly natAddresses: { readonly used: number; readonly limit: number };
  readonly sourceRanges: {
    readonly lists: number;
    readonly entries: number;
    readonly limit: number;
  };
  readonly writes: {
    readonly vips: number;
    readonly servers: number;
    readonly backends: number;
    readonly rings: number;
  };
}
