import { generateKeyPairSync } from 'node:crypto';
import {
  type BundleEvent,
  eventLeaf,
  formatCheckpoint,
  formatEvent,
  formatHeader,
  formatNote,
  formatTile,
  formatTlogProof,
  logSigner,
  parseVerifier,
  proveInclusion,
  type Tile,
  TILE_WIDTH,
  tilePath,
  TileTree,
  witnessSigner,
} from '@kontor/transparency-log';
import { describe, expect, it } from 'vitest';
import { verifyBundle, type VerifyOptions } from './verify-bundle.js';

const ORIGIN = 'kontor.example/log/0';
const log = logSigner(ORIGIN, generateKeyPairSync('ed25519').privateKey);
const witness = witnessSigner('witness.example', generateKeyPairSync('ed25519').privateKey, 1_700_000_000);
const keys = { logKeys: [parseVerifier(log.verifierKey)] };

const SIZE = 600;
const eventAt = (position: number): BundleEvent => ({
  position: String(position),
  eventId: `event-${position}`,
  streamId: `default/registry/run/${position % 3}`,
  version: String(Math.floor((position - 1) / 3) + 1),
  type: 'RunDataLogged',
  schemaVersion: 1,
  recordedAt: `2026-06-01T12:00:00.${String(position).padStart(6, '0')}Z`,
  workspace: 'default',
  actor: 'ada',
  commandId: `command-${position}`,
  data: `{"n":${position}}`,
  meta: '{}',
});
const history = Array.from({ length: SIZE }, (_, index) => eventAt(index + 1));

/** Seals events, and gives the lines of the bundle of `shown`, which may be others. */
const sealed = (events: readonly BundleEvent[]) => {
  const tree = new TileTree();
  const contents = new Map<string, Uint8Array>();
  const notes = new Map<number, string>();
  for (const event of events) {
    for (const { tile, content } of tree.append(eventLeaf(ORIGIN, event))) contents.set(tilePath(tile), content);
    const text = formatCheckpoint({ origin: ORIGIN, size: tree.size, root: tree.root() });
    notes.set(tree.size, formatNote(text, [log.sign(text), witness.sign(text)]));
  }
  for (const { tile, content } of tree.partialTiles()) contents.set(tilePath(tile), content);
  const contentOf = (tile: Tile) => contents.get(tilePath(tile)) ?? contents.get(tilePath({ ...tile, width: 256 })) ?? new Uint8Array(); // prettier-ignore
  const checkpoint = notes.get(events.length) ?? '';
  const whole = (shown: readonly BundleEvent[] = events): string[] => {
    const lines = [formatHeader({ scope: 'log', checkpoint })];
    for (let index = 0; index * TILE_WIDTH < events.length; index++) {
      const tile = { level: 0, index, width: Math.min(TILE_WIDTH, events.length - index * TILE_WIDTH) };
      lines.push(formatTile(tile, contentOf(tile)));
      const inTile = ({ position }: BundleEvent) => Math.floor((Number(position) - 1) / TILE_WIDTH) === index;
      lines.push(...shown.filter(inTile).map((event) => formatEvent(event)));
    }
    return lines;
  };
  const streams = (shown: readonly BundleEvent[]): string[] => [
    formatHeader({ scope: 'streams', checkpoint }),
    ...shown.map((event) => {
      const index = Number(event.position) - 1;
      const hashes = proveInclusion(index, events.length, contentOf);
      return formatEvent(event, formatTlogProof({ index, hashes, checkpoint }));
    }),
  ];
  return { whole, streams, noteAt: (size: number) => notes.get(size) ?? '' };
};
const truth = sealed(history);

const verify = (lines: readonly string[], options: Partial<VerifyOptions> = {}) =>
  verifyBundle((async function* () { yield* lines; })(), { ...keys, ...options }); // prettier-ignore
const replaced = (position: number, change: Partial<BundleEvent>) =>
  history.map((event) => (event.position === String(position) ? { ...event, ...change } : event));

describe('a bundle of the whole log', () => {
  it('that was not touched is all well, also beside earlier checkpoints and a witness', async () => {
    const verdict = await verify(truth.whole(), {
      witnessKeys: [parseVerifier(witness.verifierKey)],
      earlier: [truth.noteAt(1), truth.noteAt(256), truth.noteAt(257), truth.noteAt(SIZE)],
    });
    expect(verdict).toMatchObject({ problems: [], scope: 'log', events: SIZE, signedBy: [ORIGIN, 'witness.example'] });
  });

  it.each<[string, Partial<BundleEvent>]>([
    ['data', { data: '{"n":18}' }],
    ['one byte of white space', { data: '{"n": 17}' }],
    ['meta', { meta: '{"correlationId":"x"}' }],
    ['actor', { actor: 'eve' }],
    ['type', { type: 'RunFinished' }],
    ['event id', { eventId: 'event-18' }],
    ['time', { recordedAt: '2026-06-01T12:00:00.000018Z' }],
  ])('names the position whose %s was changed', async (_, change) => {
    const { problems } = await verify(truth.whole(replaced(17, change)));
    expect(problems[0]).toMatchObject({ where: 'position 17', what: expect.stringContaining('not the event that was sealed') }); // prettier-ignore
  });

  it('names missing, swapped and doubled positions', async () => {
    const without = (...gone: readonly string[]) => history.filter(({ position }) => !gone.includes(position));
    expect((await verify(truth.whole(without('300')))).problems).toContainEqual({ where: 'position 300', what: 'missing' }); // prettier-ignore
    expect((await verify(truth.whole(without('599', '600')))).problems).toEqual([{ where: 'positions 599 to 600', what: 'missing' }]); // prettier-ignore
    const [first, second] = [eventAt(10), eventAt(11)];
    const swapped = history.map((event) => (event.position === '10' ? { ...second, position: '10' } : event.position === '11' ? { ...first, position: '11' } : event)); // prettier-ignore
    expect((await verify(truth.whole(swapped))).problems.map(({ where }) => where)).toContain('position 10');
    const doubled = history.flatMap((event) => (event.position === '5' ? [event, event] : [event]));
    expect((await verify(truth.whole(doubled))).problems).toContainEqual({ where: 'position 5', what: 'comes after position 5, out of its place' }); // prettier-ignore
  });

  it('names the checkpoint when the hashes were made anew as well', async () => {
    const forged = sealed(replaced(17, { actor: 'eve' })).whole();
    const own = truth.whole();
    expect((await verify([own[0] ?? '', ...forged.slice(1)])).problems).toEqual([
      { where: 'checkpoint', what: 'the hashes of the bundle are not those that were signed' },
    ]);
  });

  it('names the earlier checkpoint when the log was signed anew after a change, or its end was cut off', async () => {
    const forged = sealed(replaced(17, { actor: 'eve' }));
    const earlier = [truth.noteAt(16), truth.noteAt(17), truth.noteAt(600)];
    expect((await verify(forged.whole(), { earlier })).problems.map(({ where }) => where)).toEqual([
      'earlier checkpoint of 17',
      'earlier checkpoint of 600',
    ]);
    const cut = sealed(history.slice(0, 590));
    expect((await verify(cut.whole(), { earlier: [truth.noteAt(600)] })).problems).toEqual([
      { where: 'earlier checkpoint of 600', what: 'positions 591 to 600 were signed earlier and are gone' },
    ]);
  });

  it('keeps the first problems and counts them all', async () => {
    const { problems, problemCount } = await verify(truth.whole(history.map((event) => ({ ...event, actor: 'eve' }))));
    expect([problems.length, problemCount]).toEqual([20, SIZE]);
  });
});

describe('a bundle of streams', () => {
  const stream = history.filter(({ streamId }) => streamId.endsWith('/1'));

  it('shows that each event is in the log', async () => {
    expect(await verify(truth.streams(stream))).toMatchObject({ problems: [], scope: 'streams', events: 200 });
  });

  it('names the event that was changed and the version that is missing', async () => {
    const changed = truth.streams(stream.map((event) => (event.position === '7' ? { ...event, actor: 'eve' } : event)));
    expect((await verify(changed)).problems).toMatchObject([{ where: 'position 7' }]);
    const holed = truth.streams(stream.filter(({ version }) => version !== '5'));
    expect((await verify(holed)).problems).toEqual([
      { where: 'position 16', what: 'default/registry/run/1 goes on with version 6, not 5' },
    ]);
    const moved = truth.streams(stream).map((line) => line.replaceAll('index 6\\n', 'index 7\\n'));
    expect((await verify(moved)).problems).toMatchObject([{ where: 'position 7' }]);
  });
});

describe('a bundle that is none', () => {
  it.each([
    [[], 'line 1', 'empty'],
    [['{'], 'checkpoint', 'not JSON'],
    [['{"format":"kontor/bundle/2","scope":"log","checkpoint":""}'], 'checkpoint', 'format'],
    [[...truth.whole().slice(0, 2), 'x'], 'line 3', 'not JSON'],
    [[...truth.whole().slice(0, 2), '{"position":"01"}'], 'line 3', 'position'],
    [[truth.whole()[0] ?? '', ...truth.whole().slice(258)], 'line 2', 'not the tile that comes next'],
  ])('is refused: %#', async (lines, where, what) => {
    const { problems } = await verify(lines);
    expect(problems[0]).toMatchObject({ where, what: expect.stringContaining(what) as string });
  });

  it('is refused without a signature of a key that was given', async () => {
    const stranger = logSigner(ORIGIN, generateKeyPairSync('ed25519').privateKey);
    const logKeys = [parseVerifier(stranger.verifierKey)];
    expect((await verify(truth.whole(), { logKeys })).problems[0]?.what).toContain('no known key has signed');
    const onlyWitness = { logKeys, witnessKeys: [parseVerifier(witness.verifierKey)] };
    expect((await verify(truth.whole(), onlyWitness)).problems[0]?.what).toContain(
      'no given key of that log has signed',
    );
    const other = witnessSigner('w2.example', generateKeyPairSync('ed25519').privateKey, 0);
    const witnessKeys = [parseVerifier(other.verifierKey)];
    expect((await verify(truth.whole(), { witnessKeys })).problems[0]?.what).toContain('not co-signed by w2.example');
  });
});
