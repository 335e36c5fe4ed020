import test from 'ava';
import type { AsPathSegment } from '../../../../src/protocol/bgp/message.ts';
import { mergeAs4Path, pathLength } from '../../../../src/protocol/bgp/update/as-path.ts';

const KINDS: Readonly<Record<string, AsPathSegment['kind']>> = {
  '': 'sequence',
  set: 'set',
  in: 'confederationSequence',
  inset: 'confederationSet',
};

/** `1 2 | set 3 | in 4`: segments, each after its kind. */
function path(text: string): AsPathSegment[] {
  if (text === '') return [];
  return text.split('|').map((part) => {
    const words = part.trim().split(' ');
    const kind = KINDS[/^[a-z]/.test(words[0] ?? '') ? (words.shift() ?? '') : ''] ?? 'sequence';
    return { kind, asns: words.map(Number) };
  });
}

test('pathLength() counts a set as one and a confederation as none', (t) => {
  t.is(pathLength(path('')), 0);
  t.is(pathLength(path('1 2 3')), 3);
  t.is(pathLength(path('1 2 | set 3 4 5')), 3);
  t.is(pathLength(path('in 7 8 | inset 9 | 1')), 1);
});

/** RFC 6793 §4.2.3. */
const MERGED: [path: string, as4Path: string, merged: string][] = [
  ['1 2 3', '70002 70003', '1 | 70002 70003'],
  ['23456 23456', '70001 70002', '70001 70002'],
  ['23456', '70001 70002', '23456'],
  ['1 2', '', '1 2'],
  ['1 | set 2 3 | 23456', '70009', '1 | set 2 3 | 70009'],
  ['set 2 3 | 23456 23456', '70008 70009', 'set 2 3 | 70008 70009'],
  ['1 2 | 3 23456', '70009', '1 2 | 3 | 70009'],
  ['in 65001 | 1 23456', '70009', 'in 65001 | 1 | 70009'],
  ['1 | in 65001 | 23456', '70009', '1 | in 65001 | 70009'],
  ['1 23456 | in 65001', '70009', '1 | 70009'],
  ['in 65001 | 23456 | inset 65002', '70009', 'in 65001 | 70009'],
];

for (const [old, as4, merged] of MERGED)
  test(`mergeAs4Path() makes "${merged}" of "${old}" and "${as4}"`, (t) => {
    t.deepEqual(mergeAs4Path(path(old), path(as4)), path(merged));
  });
