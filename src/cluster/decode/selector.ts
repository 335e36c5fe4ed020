import type { LabelRequirement, LabelSelector } from '../../domain/selector.ts';
import { child, type Field, fail, isObject, items, oneOf, quote, text } from './field.ts';
import { isLabelName, readLabels } from './meta.ts';

const MAX_SELECTORS = 64;
const MAX_REQUIREMENTS = 64;
const MAX_VALUES = 256;

const OPERATORS = ['In', 'NotIn', 'Exists', 'DoesNotExist'] as const;

/** A list of meta/v1 LabelSelectors; the same one twice is refused, as MetalLB refuses it. */
export function readSelectors(field: Field): LabelSelector[] {
  const seen = new Set<string>();
  return items(field, MAX_SELECTORS).map((item) => {
    const selector = readSelector(item);
    const canonical = JSON.stringify(selector);
    if (seen.has(canonical)) fail(item, 'The selector stands here twice', 'Remove one');
    seen.add(canonical);
    return selector;
  });
}

/** One meta/v1 LabelSelector, its requirements sorted so that equal selectors are equal values. */
export function readSelector(field: Field): LabelSelector {
  if (!isObject(field.value)) {
    fail(
      field,
      `${quote(field.value)} is not a label selector`,
      'Write matchLabels or matchExpressions',
    );
    return [];
  }
  const labels = Object.entries(readLabels(child(field, 'matchLabels'))).map(
    ([key, value]): LabelRequirement => ({ key, operator: 'In', values: [value] }),
  );
  const seen = new Set<string>();
  const expressions = items(child(field, 'matchExpressions'), MAX_REQUIREMENTS).map((item) => {
    const requirement = readRequirement(item);
    const canonical = JSON.stringify(requirement);
    if (seen.has(canonical)) fail(item, 'The expression stands here twice', 'Remove one');
    seen.add(canonical);
    return requirement;
  });
  return [...labels, ...expressions].sort((a, b) =>
    JSON.stringify(a) < JSON.stringify(b) ? -1 : 1,
  );
}

function readRequirement(field: Field): LabelRequirement {
  const key = text(child(field, 'key'), '');
  if (!isLabelName(key))
    fail(child(field, 'key'), `${quote(key)} is not a label's name`, 'Name the label to look at');
  const operatorField = child(field, 'operator');
  if (operatorField.value === undefined)
    fail(operatorField, 'The expression has no operator', `Use one of ${OPERATORS.join(', ')}`);
  const operator = oneOf(operatorField, OPERATORS, 'Exists');
  const list = child(field, 'values');
  const values = items(list, MAX_VALUES).map((item) => text(item, ''));
  const needsValues = operator === 'In' || operator === 'NotIn';
  if (needsValues && values.length === 0)
    fail(list, `${operator} needs values`, 'List at least one value');
  if (!needsValues && values.length > 0)
    fail(list, `${operator} takes no values`, 'Remove the values');
  const repeated = values.find((value, index) => values.indexOf(value) !== index);
  if (repeated !== undefined)
    fail(list, `Value ${quote(repeated)} stands here twice`, 'Remove one');
  return { key, operator, values: values.sort() };
}
