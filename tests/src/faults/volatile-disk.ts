import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

// @source NBD protocol, doc/proto.md: fixed newstyle handshake, simple replies
const INIT = Buffer.from('NBDMAGICIHAVEOPT');
const FIXED_NEWSTYLE = 1;
const OPTION_GO = 7;
const OPTION_REPLY = Buffer.from('0003e889045565a9', 'hex');
const REPLY = { ack: 1, info: 3, unsupported: 0x8000_0001 };
const HAS_FLAGS = 1;
const SEND_FLUSH = 4;
const REQUEST_BYTES = 28;
const SIMPLE_REPLY = 0x6744_6698;
const COMMAND = { read: 0, write: 1, disconnect: 2, flush: 3 };
const EINVAL = 22;

/** As a disk takes it. Without it the cache would be empty nearly always, and a power cut would find nothing to lose. */
const FLUSH_MS = 10;

/** What is kept or lost as one: smaller than a page of PostgreSQL, so that pages tear. */
const BLOCK_BYTES = 4_096;

/** A disk whose writes are safe once it was told to flush. */
export interface VolatileDisk {
  /** What qemu opens. */
  readonly url: string;
  /**
   * Waits until whoever used the disk is gone, and forgets what was not flushed: each block of it by chance.
   * @returns how many blocks were lost
   */
  losePower(): Promise<number>;
  close(): Promise<void>;
}

/** @returns a reader of exact lengths; it gives undefined at the end of the stream */
const exactly = (socket: Socket) => {
  let chunks: Buffer[] = [];
  let held = 0;
  let isEnded = false;
  let wake = (): void => undefined;
  socket.on('error', () => undefined); // it closes as well
  socket.on('close', () => {
    isEnded = true;
    wake();
  });
  socket.on('data', (chunk) => {
    chunks.push(chunk);
    held += chunk.length;
    wake();
  });
  return async (length: number): Promise<Buffer | undefined> => {
    while (held < length) {
      if (isEnded) return undefined;
      await new Promise<void>((resolve) => (wake = resolve));
    }
    if ((chunks[0]?.length ?? 0) < length) chunks = [Buffer.concat(chunks)];
    const [first = Buffer.alloc(0), ...rest] = chunks;
    chunks = [first.subarray(length), ...rest];
    held -= length;
    return first.subarray(0, length);
  };
};

/**
 * Serves a file as a disk with a write cache. A write goes to the cache, where reads find it; a flush moves the cache to
 * the file. What the guest never flushed a real disk may have written or not, in any order.
 *
 * @param file the content, of `sizeBytes`, a multiple of 4,096
 * @param chance decides which blocks of the cache are lost
 */
export const serveVolatileDisk = async (options: {
  readonly file: string;
  readonly sizeBytes: number;
  readonly socket: string;
  readonly chance: () => number;
}): Promise<VolatileDisk> => {
  const { sizeBytes, chance } = options;
  const file = openSync(options.file, 'r+');
  const cache = new Map<number, Buffer>();

  const blockAt = (block: number): Buffer => {
    const cached = cache.get(block);
    if (cached) return cached;
    const bytes = Buffer.alloc(BLOCK_BYTES);
    readSync(file, bytes, 0, BLOCK_BYTES, block * BLOCK_BYTES);
    return bytes;
  };
  /** The parts of a range, block by block. */
  function* parts(offset: number, length: number) {
    for (let at = offset; at < offset + length;) {
      const start = at % BLOCK_BYTES;
      const size = Math.min(BLOCK_BYTES - start, offset + length - at);
      yield { block: Math.floor(at / BLOCK_BYTES), start, size, from: at - offset };
      at += size;
    }
  }
  const read = (offset: number, length: number): Buffer => {
    const bytes = Buffer.alloc(length);
    readSync(file, bytes, 0, length, offset);
    for (const { block, start, size, from } of parts(offset, length))
      cache.get(block)?.copy(bytes, from, start, start + size);
    return bytes;
  };
  const write = (offset: number, bytes: Buffer): void => {
    for (const { block, start, size, from } of parts(offset, bytes.length)) {
      const changed = blockAt(block);
      bytes.copy(changed, start, from, from + size);
      cache.set(block, changed);
    }
  };
  const keep = (block: number, bytes: Buffer): void => {
    writeSync(file, bytes, 0, BLOCK_BYTES, block * BLOCK_BYTES);
  };
  const flush = (): void => {
    for (const [block, bytes] of cache) keep(block, bytes);
    cache.clear();
  };

  /** @returns whether the client wants the disk */
  const greet = async (socket: Socket, take: (length: number) => Promise<Buffer | undefined>): Promise<boolean> => {
    socket.write(Buffer.concat([INIT, Buffer.of(0, FIXED_NEWSTYLE)]));
    await take(4);
    for (;;) {
      const head = await take(16);
      const data = head && (await take(head.readUInt32BE(12)));
      if (!data) return false;
      const answer = (type: number, content = Buffer.alloc(0)): void => {
        const reply = Buffer.alloc(12);
        head.copy(reply, 0, 8, 12);
        reply.writeUInt32BE(type, 4);
        reply.writeUInt32BE(content.length, 8);
        socket.write(Buffer.concat([OPTION_REPLY, reply, content]));
      };
      if (head.readUInt32BE(8) !== OPTION_GO) {
        answer(REPLY.unsupported);
        continue;
      }
      const disk = Buffer.alloc(12);
      disk.writeBigUInt64BE(BigInt(sizeBytes), 2);
      disk.writeUInt16BE(HAS_FLAGS | SEND_FLUSH, 10);
      answer(REPLY.info, disk);
      answer(REPLY.ack);
      return true;
    }
  };
  const serve = async (socket: Socket): Promise<void> => {
    const take = exactly(socket);
    if (!(await greet(socket, take))) return;
    for (;;) {
      const request = await take(REQUEST_BYTES);
      if (!request) return;
      const [command, offset, length] = [
        request.readUInt16BE(6),
        Number(request.readBigUInt64BE(16)),
        request.readUInt32BE(24),
      ];
      let content = Buffer.alloc(0);
      let error = 0;
      if (command === COMMAND.disconnect) return;
      if (command === COMMAND.read) content = read(offset, length) as Buffer<ArrayBuffer>;
      else if (command === COMMAND.flush) {
        await delay(FLUSH_MS);
        if (socket.destroyed) return; // the power went first
        flush();
      } else if (command === COMMAND.write) {
        const bytes = await take(length);
        if (!bytes) return; // cut off in the middle
        write(offset, bytes);
      } else error = EINVAL;
      const reply = Buffer.alloc(16);
      reply.writeUInt32BE(SIMPLE_REPLY, 0);
      reply.writeUInt32BE(error, 4);
      request.copy(reply, 8, 8, 16);
      socket.write(Buffer.concat([reply, content]));
    }
  };

  const using = new Set<Promise<void>>();
  const server = createServer((socket) => {
    const served = serve(socket).finally(() => {
      socket.destroy();
      using.delete(served);
    });
    using.add(served);
  });
  server.listen(options.socket);
  await once(server, 'listening');
  return {
    url: `nbd+unix:///?socket=${options.socket}`,
    losePower: async () => {
      await Promise.all(using);
      let lost = 0;
      for (const [block, bytes] of cache) {
        if (chance() < 0.5) keep(block, bytes);
        else lost += 1;
      }
      cache.clear();
      return lost;
    },
    close: async () => {
      await Promise.all(using);
      server.close();
      await once(server, 'close');
      closeSync(file);
    },
  };
};
