import { generateKeyPairSync } from 'node:crypto';
import {
  type BundleEvent,
  eventLeaf,
  formatCheckpoint,
  formatEpochLink,
  formatEvent,
  formatHeader,
  formatLogKey,
  formatNote,
  formatTile,
  formatTlogProof,
  logSigner,
  parseCheckpoint,
  parseLogKeys,
  parseVerifier,
  proveInclusion,
  type Signer,
  type Tile,
  TILE_WIDTH,
  tilePath,
  tilesForConsistency,
  tilesForLeaves,
  TileTree,
  witnessSigner,
} from '@kontor/transparency-log';
import { describe, expect, it } from 'vitest';
import { nameFields } from './name-fields.js';
import { type BundleSource, verifyBundle, type VerifyOptions } from './verify-bundle.js';

const ORIGIN = 'kontor.example/log/0';
const log = logSigner(ORIGIN, generateKeyPairSync('ed25519').privateKey);
const witness = witnessSigner('witness.example', generateKeyPairSync('ed25519').privateKey, 1_700_000_000);
const keys = { logKeys: parseLogKeys(log.verifierKey) };

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

/** Seals events, and gives the lines of the bundle of `shown`, which may be others. From `survived` on `next` signs. */
const sealed = (events: readonly BundleEvent[], survived = Infinity, next: Signer = log) => {
  const tree = new TileTree();
  const contents = new Map<string, Uint8Array>();
  const texts = new Map<number, { signer: Signer; text: string }>();
  for (const event of events) {
    const signer = Number(event.position) > survived ? next : log;
    for (const { tile, content } of tree.append(eventLeaf(signer.name, event))) contents.set(tilePath(tile), content);
    const text = formatCheckpoint({ origin: signer.name, size: tree.size, root: tree.root() });
    texts.set(tree.size, { signer, text });
  }
  for (const { tile, content } of tree.partialTiles()) contents.set(tilePath(tile), content);
  const contentOf = (tile: Tile) =>
    contents.get(tilePath(tile)) ?? contents.get(tilePath({ ...tile, width: 256 })) ?? new Uint8Array();
  const noteAt = (size: number): string => {
    const { signer = log, text = '' } = texts.get(size) ?? {};
    return formatNote(text, [signer.sign(text), witness.sign(text)]);
  };
  const checkpoint = noteAt(events.length);
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
  /** Without the hashes of the range itself, the tiles above it and those of the consistency proofs. */
  const tileLines = (tiles: readonly Tile[]): string[] => tiles.map((tile) => formatTile(tile, contentOf(tile)));
  const range = (first: number, last: number, shown: readonly BundleEvent[] = events): string[] => [
    formatHeader({ scope: 'range', range: [first, last], checkpoint }),
    ...tileLines(tilesForLeaves(first - 1, last, events.length).above),
    ...tilesForLeaves(first - 1, last, events.length).leaves.flatMap((tile) => [
      formatTile(tile, contentOf(tile)),
      ...shown
        .filter(({ position }) => Number(position) >= first && Number(position) <= last)
        .filter(({ position }) => Math.floor((Number(position) - 1) / TILE_WIDTH) === tile.index)
        .map((event) => formatEvent(event)),
    ]),
  ];
  const only = (oldSize: number): string[] => [
    formatHeader({ scope: 'checkpoint', checkpoint }),
    ...tileLines(tilesForConsistency(oldSize, events.length)),
  ];
  return { whole, streams, range, only, noteAt };
};
const truth = sealed(history);

const sourceOf = ([header, ...rest]: readonly string[]): BundleSource => ({
  header: () => Promise.resolve(header),
  lines: async function* () {
    yield* rest;
  },
});
const verify = (lines: readonly string[], options: Partial<VerifyOptions> = {}) =>
  verifyBundle(sourceOf(lines), { ...keys, ...options });
const kept = (...notes: readonly string[]) => notes.map((note) => ({ note }));
const replaced = (position: number, change: Partial<BundleEvent>) =>
  history.map((event) => (event.position === String(position) ? { ...event, ...change } : event));

describe('a bundle of the whole log', () => {
  it('that was not touched is all well, also beside earlier checkpoints and a witness', async () => {
    const verdict = await verify(truth.whole(), {
      witnessKeys: [parseVerifier(witness.verifierKey)],
      earlier: kept(truth.noteAt(1), truth.noteAt(256), truth.noteAt(257), truth.noteAt(SIZE)),
    });
    expect(verdict).toMatchObject({ problems: [], header: { scope: 'log' }, events: SIZE });
    expect(verdict.signedBy.map(({ name }) => name)).toEqual([ORIGIN, 'witness.example']);
    expect(verdict.consistent.map((one) => one.checkpoint.size)).toEqual([1, 256, 257, SIZE]);
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
    expect(problems[0]).toMatchObject({
      where: 'position 17',
      what: expect.stringContaining('not the event that was sealed'),
    });
  });

  it('names missing, swapped and doubled positions', async () => {
    const without = (...gone: readonly string[]) => history.filter(({ position }) => !gone.includes(position));
    expect((await verify(truth.whole(without('300')))).problems).toContainEqual({
      where: 'position 300',
      what: 'missing',
    });
    expect((await verify(truth.whole(without('599', '600')))).problems).toEqual([
      { where: 'positions 599 to 600', what: 'missing' },
    ]);
    const [first, second] = [eventAt(10), eventAt(11)];
    const swapped = history.map((event) =>
      event.position === '10'
        ? { ...second, position: '10' }
        : event.position === '11'
          ? { ...first, position: '11' }
          : event,
    );
    expect((await verify(truth.whole(swapped))).problems.map(({ where }) => where)).toContain('position 10');
    const doubled = history.flatMap((event) => (event.position === '5' ? [event, event] : [event]));
    expect((await verify(truth.whole(doubled))).problems).toContainEqual({
      where: 'position 5',
      what: 'comes after position 5, out of its place',
    });
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
    const earlier = kept(truth.noteAt(16), truth.noteAt(17), truth.noteAt(600));
    expect((await verify(forged.whole(), { earlier })).problems.map(({ where }) => where)).toEqual([
      'earlier checkpoint of 17',
      'earlier checkpoint of 600',
    ]);
    const cut = sealed(history.slice(0, 590));
    expect((await verify(cut.whole(), { earlier: kept(truth.noteAt(600)) })).problems).toEqual([
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
    expect(await verify(truth.streams(stream))).toMatchObject({
      problems: [],
      header: { scope: 'streams' },
      events: 200,
    });
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

// 600 events: two full tiles and a partial one; 768: the last tile is full, so that all of them hang below one above.
describe.each([600, 768])('a bundle of a range, of %i events', (size) => {
  const longer = sealed(Array.from({ length: size }, (_, index) => eventAt(index + 1)));

  it.each([
    [1, 1],
    [1, size],
    [200, 300],
    [257, 512],
    [256, 257],
    [size, size],
  ])('shows that %i to %i are complete', async (first, last) => {
    const verdict = await verify(longer.range(first, last));
    expect(verdict).toMatchObject({ problems: [], events: last - first + 1 });
  });

  it('names what is missing at its ends, what was changed, and hashes that are not of the tree', async () => {
    const without = (position: string) => history.filter((event) => event.position !== position);
    for (const gone of ['200', '256', '300']) {
      const { problems } = await verify(longer.range(200, 300, without(gone)));
      expect(problems[0]).toEqual({ where: `position ${gone}`, what: 'missing' });
    }
    const changed = await verify(longer.range(200, 300, replaced(210, { actor: 'eve' })));
    expect(changed.problems).toMatchObject([{ where: 'position 210' }]);
    const forged = sealed(
      Array.from({ length: size }, (_, index) => ({ ...eventAt(index + 1), ...(index === 209 && { actor: 'eve' }) })),
    );
    const mixed = [longer.range(1, 1)[0]?.replace('[1,1]', '[200,300]') ?? '', ...forged.range(200, 300).slice(1)];
    expect((await verify(mixed)).problems).toMatchObject([
      { where: 'checkpoint', what: expect.stringContaining('not those that were signed') },
    ]);
    // Only the tile of the range is another one: what is above it is the truth.
    const [, ...rest] = longer.range(200, 250, replaced(210, { actor: 'eve' }));
    const lie = forged.range(200, 250).find((line) => line.startsWith('{"tile":"tile/0/000"')) ?? '';
    const inside = [
      longer.range(200, 250)[0] ?? '',
      ...rest.map((line) => (line.startsWith('{"tile":"tile/0/000"') ? lie : line)),
    ];
    expect((await verify(inside)).problems).toMatchObject([
      { where: 'checkpoint', what: 'tile/0/000 is not a tile of the tree that was signed' },
    ]);
  });
});

describe('an earlier checkpoint beside a part of the log', () => {
  it('is shown by the tiles of the bundle, and never passes without them', async () => {
    const earlier = kept(truth.noteAt(300));
    const shown = await verify(truth.only(300), { earlier });
    expect(shown).toMatchObject({ problems: [], events: 0 });
    expect(shown.consistent).toHaveLength(1);
    const stream = truth.streams(history.filter(({ streamId }) => streamId.endsWith('/1')));
    expect((await verify(stream, { earlier })).problems).toMatchObject([
      { where: 'earlier checkpoint of 300', what: expect.stringContaining('is not shown: the bundle lacks tile/') },
    ]);
    const forged = sealed(replaced(17, { actor: 'eve' }));
    expect((await verify(forged.only(300), { earlier })).problems).toEqual([
      { where: 'earlier checkpoint of 300', what: 'the log does not begin with the tree that was signed then' },
    ]);
  });
});

describe('two trees of one size under one key', () => {
  it('are named with both roots', async () => {
    const forged = sealed(replaced(17, { actor: 'eve' }));
    const two = await verify(truth.whole(), { earlier: kept(truth.noteAt(300), forged.noteAt(300)) });
    expect(two.problems.map(({ what }) => what)).toContainEqual(expect.stringContaining('two histories under one key'));
    const one = await verify(truth.whole(), { earlier: [{ name: 'kept.txt', note: forged.noteAt(SIZE) }] });
    expect(one.problems).toMatchObject([
      { where: 'earlier checkpoint of 600 (kept.txt)', what: expect.stringContaining("in the bundle's checkpoint") },
    ]);
  });
});

describe('keys that were changed', () => {
  const next = logSigner(ORIGIN, generateKeyPairSync('ed25519').privateKey);
  const keysAt = (until: number) =>
    parseLogKeys(
      `${formatLogKey(log.verifierKey, { from: 0, until })}\n${formatLogKey(next.verifierKey, { from: until + 1, until: Infinity })}\n`,
    );

  it('each count for their sizes, so that an old bundle verifies and a stolen old key signs nothing new', async () => {
    expect((await verify(truth.whole(), { logKeys: keysAt(SIZE) })).problems).toEqual([]);
    expect((await verify(truth.whole(), { logKeys: keysAt(SIZE - 1) })).problems).toMatchObject([
      {
        where: 'checkpoint',
        what: expect.stringMatching(/signed by key [0-9a-f]{8} of .* alone, which counts for the sizes 0 to 599/),
      },
    ]);
    const early = await verify(truth.whole(), { logKeys: keysAt(SIZE), earlier: kept(truth.noteAt(17)) });
    expect(early.problems).toEqual([]);
  });
});

describe('a bundle from before', () => {
  it('names the fields of an event that were changed, if it holds the event that was sealed', async () => {
    const { problems } = await verify(truth.whole(replaced(17, { actor: 'eve', data: '{"n":18}' })));
    const [named] = await nameFields(problems, sourceOf(truth.whole()));
    expect(named?.what).toMatch(/sealed: actor was "ada", is "eve"; data was "\{\\"n\\":17\}", is "\{\\"n\\":18\}"$/);
    const [unnamed] = await nameFields(problems, sourceOf(truth.whole(replaced(17, { actor: 'bob' }))));
    expect(unnamed).toEqual(problems[0]);
  });
});

describe('a log that was restored', () => {
  const AFTER = `${ORIGIN}/e2`;
  const next = logSigner(AFTER, generateKeyPairSync('ed25519').privateKey);
  const SURVIVED = 500;
  const COMMON = 400;
  const restored = sealed(history, SURVIVED, next);
  const epochs = (link: string) => [
    { origin: ORIGIN, firstPosition: 1 },
    { origin: AFTER, firstPosition: SURVIVED + 1, link },
  ];
  const common = parseCheckpoint(truth.noteAt(COMMON).split('\n\n')[0] + '\n');
  const linkText = formatEpochLink({ common, origin: AFTER, firstPosition: SURVIVED + 1 });
  const link = formatNote(linkText, [log.sign(linkText), next.sign(linkText)]);
  const bundle = (tie: string): string[] => {
    const [header = '', ...rest] = restored.whole();
    return [JSON.stringify({ ...(JSON.parse(header) as object), epochs: epochs(tie) }), ...rest];
  };
  const logKeys = parseLogKeys(`${log.verifierKey}\n${next.verifierKey}`);

  it('verifies under its new origin, tied to the last common checkpoint', async () => {
    const verdict = await verify(bundle(link), { logKeys, earlier: kept(truth.noteAt(300), truth.noteAt(450)) });
    expect(verdict).toMatchObject({ problems: [], events: SIZE });
    expect(verdict.consistent.map((one) => one.checkpoint.size)).toEqual([300, COMMON, 450]);
  });

  it('names the positions of a checkpoint that was lost', async () => {
    const { problems } = await verify(bundle(link), { logKeys, earlier: kept(truth.noteAt(550)) });
    expect(problems).toMatchObject([
      {
        where: 'earlier checkpoint of 550',
        what: expect.stringContaining('positions 501 to 550 were signed as kontor.example/log/0 and are gone'),
      },
    ]);
  });

  it('is refused without a link that both keys have signed', async () => {
    const half = formatNote(linkText, [next.sign(linkText)]);
    for (const tie of [half, formatNote(linkText, [log.sign(linkText)]), link.replace('\n400\n', '\n401\n')]) {
      expect((await verify(bundle(tie), { logKeys })).problems).toMatchObject([{ where: 'checkpoint' }]);
    }
    const forged = sealed(replaced(17, { actor: 'eve' }), SURVIVED, next);
    const [header = ''] = bundle(link);
    const signedAnew = (JSON.parse(forged.whole()[0] ?? '') as { checkpoint: string }).checkpoint;
    const lines = [
      JSON.stringify({ ...(JSON.parse(header) as object), checkpoint: signedAnew }),
      ...forged.whole().slice(1),
    ];
    expect((await verify(lines, { logKeys })).problems).toMatchObject([{ where: `link of epoch ${AFTER}` }]);
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
    const logKeys = parseLogKeys(stranger.verifierKey);
    expect((await verify(truth.whole(), { logKeys })).problems[0]?.what).toContain(
      'no known key of kontor.example/log/0 has signed',
    );
    const onlyWitness = { logKeys, witnessKeys: [parseVerifier(witness.verifierKey)] };
    expect((await verify(truth.whole(), onlyWitness)).problems[0]?.what).toContain(
      'no known key of kontor.example/log/0 has signed',
    );
    const other = witnessSigner('w2.example', generateKeyPairSync('ed25519').privateKey, 0);
    const witnessKeys = [parseVerifier(other.verifierKey)];
    expect((await verify(truth.whole(), { witnessKeys })).problems[0]?.what).toContain('not co-signed by w2.example');
  });
});
