import { readFile, stat } from 'node:fs/promises';
import type { Problem } from '../domain/problem.ts';
import { decodeSettings } from './decode.ts';
import type { Settings } from './settings.ts';
import { readSettingsFile } from './validate.ts';

/** Larger files are refused unread: a settings file has a few kilobytes. */
const MAX_FILE_BYTES = 1_048_576;

export const DEFAULT_SETTINGS_FILE = '/etc/tidegate/tidegate.yaml';

/** Settings, or everything that is wrong with the file. */
export type SettingsResult =
  | { readonly ok: true; readonly settings: Settings }
  | { readonly ok: false; readonly problems: readonly Problem[] };

/** What the box itself says. */
export interface Host {
  readonly hostname: string;
}

/** Reads and decodes the settings file. Never throws: a missing file is a problem. */
export async function loadSettings(file: string, host: Host): Promise<SettingsResult> {
  try {
    if ((await stat(file)).size > MAX_FILE_BYTES) {
      return refuse(file, `Settings file is larger than ${MAX_FILE_BYTES} bytes`, 'Shorten it');
    }
    return parseSettings(await readFile(file, 'utf8'), file, host);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') {
      const remedy = `Create it with "tidegate defaults > ${file}", or name another with --config`;
      return refuse(file, 'Settings file does not exist', remedy);
    }
    const remedy = 'Name a readable file with --config, or mend its permissions';
    return refuse(file, `Settings file is not readable: ${message}`, remedy);
  }
}

/** Decodes the text of a settings file; `file` is only its name in problems. */
export function parseSettings(text: string, file: string, host: Host): SettingsResult {
  const read = readSettingsFile(text, file);
  if (!read.ok) return read;
  const { settings, problems } = decodeSettings(read.value, host, read.position);
  return problems.length > 0 ? { ok: false, problems } : { ok: true, settings };
}

/** The settings of an empty file. */
export function defaultSettings(host: Host): Settings {
  const result = parseSettings('', 'defaults', host);
  if (!result.ok) throw new Error('Default settings do not fit their own schema');
  return result.settings;
}

function refuse(file: string, message: string, remedy: string): SettingsResult {
  return { ok: false, problems: [{ severity: 'error', position: { file }, message, remedy }] };
}
