import { descend, type Field, fail, isObject, quote, warn } from './field.ts';
import { annotation } from './meta.ts';

/** What MetalLB's BGP kinds have no field for is said in annotations of ours. */
const OURS = 'tidegate.io/';

export interface OwnAnnotation {
  readonly field: Field;
  readonly text: string;
}

/** An annotation of ours, if it is there. A session must not be set up otherwise than was meant. */
export function ownAnnotation(root: Field, name: string): OwnAnnotation | undefined {
  const field = annotation(root, name);
  if (field.value === undefined || field.value === null) return undefined;
  if (typeof field.value === 'string') return { field, text: field.value.trim() };
  fail(field, `${quote(field.value)} is not text`, 'Put the annotation in quotes');
  return undefined;
}

/** A whole number; `undefined` when it is not said, or, with a problem, when it is none. */
export function wholeNumber(
  said: OwnAnnotation | undefined,
  min: number,
  max: number,
): number | undefined {
  if (said === undefined) return undefined;
  const number = /^\d{1,10}$/.test(said.text) ? Number(said.text) : Number.NaN;
  if (number >= min && number <= max) return number;
  const message = `${quote(said.text)} is not a number from ${min} to ${max}`;
  fail(said.field, message, 'Write digits, in quotes');
  return undefined;
}

export function yesOrNo(said: OwnAnnotation | undefined): boolean {
  if (said === undefined || said.text === 'false') return false;
  if (said.text !== 'true')
    fail(said.field, `${quote(said.text)} is neither true nor false`, 'Write "true" or "false"');
  return true;
}

/** A typing error in the name of an annotation shall not go unnoticed. */
export function warnOfUnknownAnnotations(root: Field, known: readonly string[]): void {
  const { value } = descend(root, 'metadata', 'annotations');
  if (!isObject(value)) return;
  for (const name of Object.keys(value)) {
    if (!name.startsWith(OURS) || known.includes(name)) continue;
    const remedy = `Remove it or use one of ${known.join(', ')}`;
    warn(annotation(root, name), `Annotation ${quote(name)} is not known`, remedy);
  }
}
