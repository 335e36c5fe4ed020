import type { Labels } from './object.ts';

/** One requirement of a Kubernetes LabelSelector; `matchLabels` are decoded to `In` with one value. */
export interface LabelRequirement {
  readonly key: string;
  readonly operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist';
  readonly values: readonly string[];
}

/** All requirements must hold; no requirement matches everything (meta/v1 LabelSelector). */
export type LabelSelector = readonly LabelRequirement[];

export function selectorMatches(selector: LabelSelector, labels: Labels): boolean {
  return selector.every((requirement) => requirementMatches(requirement, labels));
}

function requirementMatches({ key, operator, values }: LabelRequirement, labels: Labels): boolean {
  const value = Object.hasOwn(labels, key) ? labels[key] : undefined;
  switch (operator) {
    case 'In':
      return value !== undefined && values.includes(value);
    case 'NotIn':
      return value === undefined || !values.includes(value);
    case 'Exists':
      return value !== undefined;
    case 'DoesNotExist':
      return value === undefined;
  }
}
