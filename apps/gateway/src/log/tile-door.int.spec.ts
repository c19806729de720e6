import { generateKeyPairSync } from 'node:crypto';
import { createPool, runSealer } from '@kontor/event-store';
import { eventually } from '@kontor/testing';
import {
  logSigner,
  openCheckpoint,
  parseLogKeys,
  proveInclusion,
  type Signer,
  type Tile,
  tilePath,
  tilesForInclusion,
  verifyInclusion,
} from '@kontor/transparency-log';
import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestGateway, type TestGateway } from '../gateway.fixture.js';

const EVENTS = 300;

describe('the tiles of the log', () => {
  let gateway: TestGateway;
  let writer: pg.Pool;
  let signer: Signer;
  const get = (path: string) => fetch(`${gateway.server.url}/${path}`);

  beforeAll(async () => {
    gateway = await startTestGateway({ auth: 'token' });
    expect((await get('checkpoint')).status).toBe(404);
    for (let number = 0; number < EVENTS; number++) {
      await gateway.append(`default/deployment/endpoint/e${number}`, 'EndpointCreated', {
        endpoint: `e${number}`,
        environment: 'staging',
        description: '',
      });
    }
    const url = new URL(gateway.pgUrl);
    url.username = 'kontor_registry';
    writer = createPool({ connectionString: url.href });
    const { rows } = await writer.query<{ origin: string }>('SELECT origin FROM es.log_head');
    signer = logSigner(rows[0]?.origin ?? '', generateKeyPairSync('ed25519').privateKey);
    const stop = new AbortController();
    const running = runSealer({ pool: writer, signers: [signer], signal: stop.signal });
    await eventually(async () => (await (await get('checkpoint')).text()).includes(`\n${EVENTS}\n`));
    stop.abort();
    await running;
  });
  afterAll(async () => {
    await writer.end();
    await gateway.stop();
  });

  it('and the checkpoint are served to everybody, and prove that an event is in the log', async () => {
    const answer = await get('checkpoint');
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      'content-type': 'text/plain; charset=utf-8',
      'cache-control': 'public, max-age=1',
    });
    const { checkpoint } = openCheckpoint(await answer.text(), parseLogKeys(signer.verifierKey));
    const { size, root } = checkpoint;
    const { rows } = await writer.query<{ leaf: Buffer }>('SELECT leaf FROM es.event ORDER BY pos');
    for (const index of [0, 255, 256, EVENTS - 1]) {
      const contents = new Map<string, Buffer>();
      for (const tile of tilesForInclusion(index, size)) {
        const response = await get(tilePath(tile));
        expect(Object.fromEntries(response.headers)).toMatchObject({
          'content-type': 'application/octet-stream',
          'cache-control': 'public, max-age=31536000, immutable',
        });
        contents.set(tilePath(tile), Buffer.from(await response.arrayBuffer()));
      }
      const contentOf = (tile: Tile) => contents.get(tilePath(tile)) ?? new Uint8Array();
      const leaf = rows[index]?.leaf ?? new Uint8Array();
      expect(verifyInclusion({ leaf, index, size, root }, proveInclusion(index, size, contentOf))).toBe(true);
    }
  });

  it('answer an older partial tile out of the wider one', async () => {
    const whole = Buffer.from(await (await get('tile/0/000')).arrayBuffer());
    expect(whole).toHaveLength(8192);
    expect(Buffer.from(await (await get('tile/0/000.p/7')).arrayBuffer()).equals(whole.subarray(0, 7 * 32))).toBe(true);
  });

  it.each([
    'tile/0/001',
    'tile/0/001.p/200',
    'tile/1/001',
    'tile/entries/000',
    'tile/0/1',
    'tile/64/000',
    'tile/0/x000/000',
    'tile/0/000.p/256',
    'tile/0/000.p/0',
  ])('%s is not there', async (path) => {
    expect((await get(path)).status).toBe(404);
  });

  it('are the only thing that needs no token', async () => {
    expect((await get('graphql')).status).toBe(401);
  });
});
