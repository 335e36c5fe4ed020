import { type BigIntStats, type Dirent, readdirSync, realpathSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** What stands in a folder of manifests. Paths are relative to the root; the root is the empty path. */
export interface FolderContents {
  /** Manifest files with a text that changes whenever their content may have. */
  readonly files: Map<string, string>;
  readonly folders: Set<string>;
  /** Manifest files that are symbolic links, by the real folder of what they point to. */
  readonly links: Map<string, string[]>;
  /** Folders and links that could not be read. What they held is not known to be gone. */
  readonly errors: Map<string, Error>;
}

const MAX_FILES = 50_000;
const MAX_FOLDERS = 4096;
const MAX_DEPTH = 16;

/** Names of manifests; hidden ones are editors' temporary files and the inner side of ConfigMaps. */
export function isManifestName(name: string): boolean {
  return !name.startsWith('.') && /\.(yaml|yml|json)$/.test(name);
}

/** True when `path` is in one of `folders`, at any depth. */
export function isBelow(path: string, folders: Iterable<string>): boolean {
  for (const folder of folders) if (folder === '' || path.startsWith(`${folder}/`)) return true;
  return false;
}

/** Changes whenever a file's content may have: another file, other times, another size. */
export function signatureOf(stat: BigIntStats): string {
  return `${stat.dev}:${stat.ino}:${stat.size}:${stat.mtimeNs}:${stat.ctimeNs}`;
}

/**
 * Lists a folder and all folders below it. `onFolder` is called before a folder is read, so that a
 * watch begun there misses nothing. Symbolic links are followed; loops are not. Never rejects.
 */
export async function walkFolder(
  root: string,
  onFolder: (folder: string) => void,
  breathe: () => Promise<void> | undefined,
): Promise<FolderContents> {
  const contents: FolderContents = {
    files: new Map(),
    folders: new Set(),
    links: new Map(),
    errors: new Map(),
  };
  try {
    const stat = statSync(root, { bigint: true });
    await walk({ root, contents, onFolder, breathe }, '', [`${stat.dev}:${stat.ino}`]);
  } catch (cause) {
    contents.errors.set('', cause as Error);
  }
  return contents;
}

interface Walk {
  readonly root: string;
  readonly contents: FolderContents;
  readonly onFolder: (folder: string) => void;
  readonly breathe: () => Promise<void> | undefined;
}

/** `above` names the folders on the way here, so that a link to one of them is seen. */
async function walk(task: Walk, folder: string, above: readonly string[]): Promise<void> {
  const { root, contents, onFolder, breathe } = task;
  if (above.length > MAX_DEPTH || contents.folders.size >= MAX_FOLDERS)
    throw new Error(`There are more than ${MAX_FOLDERS} folders, or more than ${MAX_DEPTH} deep`);
  onFolder(folder);
  contents.folders.add(folder);
  const entries = readdirSync(join(root, folder), { withFileTypes: true });
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    if (entry.name.startsWith('.') || (entry.isFile() && !isManifestName(entry.name))) continue;
    if (contents.files.size >= MAX_FILES)
      throw new Error(`There are more than ${MAX_FILES} manifest files`);
    const path = join(folder, entry.name);
    try {
      await visit(task, path, entry, above);
    } catch (cause) {
      // Gone since the folder was listed; a link that leads nowhere is another matter.
      const gone = (cause as NodeJS.ErrnoException).code === 'ENOENT' && !entry.isSymbolicLink();
      if (!gone) contents.errors.set(path, cause as Error);
    }
    await breathe();
  }
}

async function visit(task: Walk, path: string, entry: Dirent, above: readonly string[]) {
  const { files } = task.contents;
  const stat = statSync(join(task.root, path), { bigint: true });
  if (stat.isDirectory()) {
    const identity = `${stat.dev}:${stat.ino}`;
    if (!above.includes(identity)) await walk(task, path, [...above, identity]);
  } else if (isManifestName(entry.name) && stat.isFile()) {
    files.set(path, signatureOf(stat));
    if (entry.isSymbolicLink()) addLink(task.contents, task.root, path);
  }
}

function addLink({ links }: FolderContents, root: string, path: string) {
  const target = dirname(realpathSync(join(root, path)));
  links.set(target, [...(links.get(target) ?? []), path]);
}
