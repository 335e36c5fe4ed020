import type { Problem } from '../admin/api.ts';

/** How long ago, in one unit: `12 s`, `3 min`, `5 h`, `9 d`. */
export function ago(since: string, nowMs: number): string {
  const seconds = Math.max(0, Math.round((nowMs - Date.parse(since)) / 1000));
  if (seconds < 100) return `${seconds} s`;
  if (seconds < 6000) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86_400)} d`;
}

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];

/** Bytes in decimal units with three digits: `9.00 MB`. */
export function bytes(count: number): string {
  let value = count;
  let unit = 0;
  while (value >= 1000 && unit < UNITS.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit === 0 ? value : value.toPrecision(3)} ${UNITS[unit]}`;
}

/** Address and port as people write them. */
export function endpoint(address: string, port: number): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

export function problemLine({ file, line, column, object, field, message, remedy }: Problem) {
  const where = [file, line, column].filter((part) => part !== undefined).join(':');
  const what = [object, field].filter(Boolean).join(' ');
  return [where, what, `${message}. ${remedy}`].filter(Boolean).join(': ');
}

/** Time of day in UTC for today, else the date too. */
export function when(time: string, nowMs: number): string {
  const now = new Date(nowMs).toISOString();
  const [date = '', rest = ''] = time.split('T');
  const clock = `${rest.slice(0, 8)}Z`;
  return now.startsWith(date) ? clock : `${date} ${clock}`;
}

/** `1 backend`, `2 backends`. */
export function plural(count: number, noun: string): string {
  const many = /s$/.test(noun) ? `${noun}es` : `${noun}s`;
  return `${count} ${count === 1 ? noun : many}`;
}

/** Ends a list of which not all is shown; empty when it is. */
export function andMore(count: number, noun: string): string {
  return count > 0 ? `  … and ${plural(count, noun)} more; --json shows all\n` : '';
}
