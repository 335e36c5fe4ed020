import type { AnnounceSettings } from '../plan/announce.ts';
import type { BgpSettings } from './bgp/bgp-speaker.ts';

/** What the operator chooses about announcing: whose Services, as which box, and how. */
export interface SpeakerSettings extends AnnounceSettings {
  /**
   * Names of interfaces, or patterns with `*` and `?`. Empty: every Ethernet interface that is up
   * and speaks ARP.
   */
  readonly interfaces: readonly string[];
  readonly gratuitous: GratuitousSettings;
  readonly bgp: BgpSettings;
  /** Folder of the reports and the lock; lives until reboot. */
  readonly runDir: string;
}

/** Unasked announcements: gratuitous ARP and unsolicited neighbour advertisements. */
export interface GratuitousSettings {
  /** Rounds when an address arrives. */
  readonly burst: number;
  /** Between two rounds of a burst. */
  readonly spacingMs: number;
  /** Between later ones, give or take a tenth. */
  readonly refreshMs: number;
}
