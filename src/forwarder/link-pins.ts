import { existsSync, readdirSync } from 'node:fs';

/** Folder for pinned links, within the folder for pins in bpffs. */
export const LINKS_FOLDER = 'links';

/** Names of the pins in a folder of bpffs; none when there is no such folder. */
export function pinsIn(folder: string): string[] {
  return existsSync(folder) ? readdirSync(folder) : [];
}

/** bpffs refuses names with a dot, which VLAN interfaces have. */
export function pinName(interfaceName: string): string {
  return interfaceName.replaceAll('%', '%25').replaceAll('.', '%2e');
}

export function interfaceOfPin(pin: string): string {
  return pin.replaceAll('%2e', '.').replaceAll('%25', '%');
}
