import type { RecordedEvent } from '@kontor/event-sourcing';
import type { CommandReply } from '@kontor/messaging';
import type { DispatchRequest } from '@kontor/service';
import type { Process } from './process.js';
import type { World } from './world.js';

const TIMEOUT_MS = 5_000; // as the gateway's
const TRAVEL_MS = 30;
const DELAY_MS = 10_000; // beyond the client's patience, so that it sends again while the first one is on its way

/** What a process of a context takes from the bus. */
export interface Server {
  readonly context: string;
  readonly process: Process;
  readonly answer: (request: DispatchRequest) => Promise<CommandReply>;
  readonly hear: (event: RecordedEvent) => void;
}

/** Requests with replies, and announced events. Any message may be lost, doubled, late, and later than the next one. */
export class Bus {
  #servers: readonly Server[] = [];

  constructor(private readonly world: World) {}

  /** A process that died is forgotten here. */
  serve(server: Server): void {
    this.#servers = [...this.#servers.filter(({ process }) => process.isAlive), server];
  }

  /** @returns undefined if no answer came in time: it may have happened. A later answer finds nobody. */
  request(context: string, request: DispatchRequest): Promise<CommandReply | undefined> {
    const message = JSON.stringify(request);
    return new Promise((resolve) => {
      this.world.plan(TIMEOUT_MS, () => resolve(undefined));
      this.#deliver(() => {
        const servers = this.#servers.filter((server) => server.context === context && server.process.isAlive);
        if (servers.length === 0) return;
        const replied = this.world.of(servers).answer(JSON.parse(message) as DispatchRequest);
        this.world.start(replied.then((reply) => this.#deliver(() => resolve(reply))));
      });
    });
  }

  announce(event: RecordedEvent): void {
    for (const { process, hear } of this.#servers) this.#deliver(() => process.isAlive && hear(event));
  }

  #deliver(arrive: () => void): void {
    const { world } = this;
    if (world.happens(world.faults.drop)) {
      world.counts.drops += 1;
      return;
    }
    world.plan(1 + world.below(world.happens(world.faults.stall) ? DELAY_MS : TRAVEL_MS), arrive);
    if (!world.happens(world.faults.duplicate)) return;
    world.counts.duplicates += 1;
    this.#deliver(arrive);
  }
}
