import { parseWeight, WEIGHT_LABEL, WEIGHT_MAX } from '../../domain/weight.ts';
import { descend, type Field, isAbsent, quote, warn } from './field.ts';

/** The label of a Pod or Node; what is no weight is a warning, and as good as no label. */
export function readWeight(root: Field): number | undefined {
  const field = descend(root, 'metadata', 'labels', WEIGHT_LABEL);
  if (isAbsent(field)) return undefined;
  const weight = typeof field.value === 'string' ? parseWeight(field.value) : undefined;
  if (weight === undefined) {
    const remedy = `Write a whole number from 0 to ${WEIGHT_MAX}, in quotes`;
    warn(field, `${quote(field.value)} is not a weight`, remedy);
  }
  return weight;
}
