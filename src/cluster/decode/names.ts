import { type Field, fail, items, quote, text } from './field.ts';

/** A list of names of something, each once. */
export function readNames(list: Field, limit: number, what: string): string[] {
  const seen = new Set<string>();
  for (const item of items(list, limit)) {
    const name = text(item, '');
    if (name === '') fail(item, `${what} ${quote(item.value)} is not a name`, 'Write a name');
    if (seen.has(name)) fail(item, `${what} ${quote(name)} stands here twice`, 'Remove one');
    seen.add(name);
  }
  return [...seen];
}
