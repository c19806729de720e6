import { spawnSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  eventLeaf,
  formatCheckpoint,
  formatEvent,
  formatHeader,
  formatNote,
  formatTile,
  type LogEntry,
  logSigner,
  TILE_WIDTH,
  TileTree,
} from '@kontor/transparency-log';
import { afterAll, expect, it } from 'vitest';
import { repositoryRoot } from '../platform.js';

const VERIFY = join(repositoryRoot(), 'apps/verifier/bin/kontor-verify.mjs');
const ORIGIN = 'kontor.example/log/0';
const STREAMS = 500;
/** More than two pieces of 16 MiB, so that more than one thread reads it. */
const EVENTS = 180 * TILE_WIDTH + 7;
const DATA = JSON.stringify({ text: 'x'.repeat(600) });

const folder = mkdtempSync(join(tmpdir(), 'kontor-threads-'));
afterAll(() => {
  rmSync(folder, { recursive: true });
});

const eventAt = (position: number): LogEntry => ({
  position: String(position),
  eventId: `event-${position}`,
  streamId: `default/registry/run/${position % STREAMS}`,
  version: String(Math.floor((position - 1) / STREAMS) + 1),
  type: 'RunDataLogged',
  schemaVersion: 1,
  recordedAt: `2026-06-01T12:00:00.${String(position).padStart(6, '0')}Z`,
  workspace: 'default',
  actor: 'ada',
  commandId: `command-${position}`,
  data: DATA,
  meta: '{}',
});

it('a bundle that several threads read has the positions and lines of one', () => {
  const signer = logSigner(ORIGIN, generateKeyPairSync('ed25519').privateKey);
  const tree = new TileTree();
  const lines: string[] = [];
  let waiting: string[] = [];
  for (let position = 1; position <= EVENTS; position++) {
    const event = eventAt(position);
    waiting.push(formatEvent(event));
    const [full] = tree.append(eventLeaf(ORIGIN, event));
    if (!full) continue;
    lines.push(formatTile(full.tile, full.content), ...waiting);
    waiting = [];
  }
  const [rest] = tree.partialTiles();
  if (rest) lines.push(formatTile(rest.tile, rest.content), ...waiting);
  const text = formatCheckpoint({ origin: ORIGIN, size: EVENTS, root: tree.root() });
  const header = formatHeader({ scope: 'log', checkpoint: formatNote(text, [signer.sign(text)]) });
  const verify = (changed: readonly string[]) => {
    const path = join(folder, 'bundle.jsonl');
    writeFileSync(path, `${[header, ...changed].join('\n')}\n`);
    return spawnSync(process.execPath, [VERIFY, path, '--key', signer.verifierKey], { encoding: 'utf8' });
  };
  const truth = verify(lines);
  expect(truth.stdout).toContain(`shown:      every event from position 1 to ${EVENTS}, in order, none changed`);
  expect(truth.status).toBe(0);

  const [changed, gone, broken] = [1_000, EVENTS - 2_000, EVENTS - 1_000].map((position) =>
    lines.findIndex((line) => line.startsWith(`{"position":"${position}"`)),
  );
  const edited = lines.map((line, at) =>
    at === changed ? line.replace('"ada"', '"eve"') : at === broken ? '{"position":' : line,
  );
  const { stdout, status } = verify(edited.filter((_, at) => at !== gone));
  expect(status).toBe(1);
  expect(stdout).toContain(
    '\n  position 1000: RunDataLogged of default/registry/run/0 is not the event that was sealed\n',
  );
  expect(stdout).toContain(`\n  position ${EVENTS - 2_000}: missing\n`);
  // The header is line 1, and one line before it is gone.
  expect(stdout).toContain(`\n  line ${(broken ?? 0) + 1}: not JSON: {"position":\n`);
  expect(stdout).toContain(`\n  position ${EVENTS - 1_000}: missing\n`);
});
