import { Value } from 'typebox/value';
import { SettingsFile } from './schema.ts';

/** The defaults in the shape of the file, for programs. */
export function defaultsAsJson(): SettingsFile {
  return Value.Default(SettingsFile, {}) as SettingsFile;
}
