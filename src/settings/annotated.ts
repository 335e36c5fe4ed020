import { SettingsFile } from './schema.ts';

/** Longest line of the annotated file. */
const WIDTH = 98;

interface SchemaNode {
  readonly description?: string;
  readonly default?: unknown;
  readonly examples?: readonly unknown[];
  readonly properties?: Readonly<Record<string, SchemaNode>>;
  readonly required?: readonly string[];
}

const HEADER = `# Settings of Tidegate. Everything here is the default; a file needs only what differs.
# "tidegate check --config FILE" tells what is wrong with a file, without touching anything.
# "#name: value" shows a setting that is not set by default. Durations have a unit: ms, s, m or h.`;

/** The annotated settings file: every setting with its default and its reason. */
export function annotatedSettings(): string {
  const schema = SettingsFile as unknown as SchemaNode;
  return `${[HEADER, ...sectionLines(schema, ''), ''].join('\n')}`;
}

function sectionLines(section: SchemaNode, indent: string): string[] {
  return Object.entries(section.properties ?? {}).flatMap(([name, property]) => {
    const isSet = section.required?.includes(name) ?? false;
    const value = isSet ? property.default : property.examples?.[0];
    const setting = property.properties
      ? [`${indent}${name}:`, ...sectionLines(property, `${indent}  `)]
      : [`${indent}${name}: ${scalar(value)}`];
    return [
      ...(indent === '' || property.properties ? [''] : []),
      ...wrap(property.description ?? '', `${indent}# `),
      ...(isSet ? setting : setting.map((line) => `${indent}#${line.slice(indent.length)}`)),
    ];
  });
}

function scalar(value: unknown): string {
  if (typeof value !== 'string') return JSON.stringify(value);
  return /^[A-Za-z/][A-Za-z0-9/._-]*$|^\d+(ms|[smh])$|^\d[\d.]*-\d+$|^\d+\.\d+\.\d+\.\d+$/.test(
    value,
  )
    ? value
    : JSON.stringify(value);
}

function wrap(text: string, prefix: string): string[] {
  const lines: string[] = [];
  let line = prefix;
  for (const word of text.split(' ')) {
    if (line.length + word.length > WIDTH) {
      lines.push(line.trimEnd());
      line = prefix;
    }
    line += `${word} `;
  }
  return [...lines, line.trimEnd()];
}
