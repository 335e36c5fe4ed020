/**
 * The way of the box's own clients: what the box sends to a VIP leaves by the first and arrives at
 * the second, where the XDP program is; answers go back the same way.
 */
export const LOCAL_INTERFACE = 'tidegate0';
export const LOCAL_PORT = 'tidegate1';

/** True for the interfaces that Tidegate made for itself. */
export function isOwnInterface(name: string): boolean {
  return name === LOCAL_INTERFACE || name === LOCAL_PORT;
}
