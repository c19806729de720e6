import type { AppendChain, AppendRequest, AppendResult, EventStore, Position, StreamId } from '@kontor/event-sourcing';
import { StoreUnavailable } from '@kontor/event-store';
import type { World } from './world.js';

const STEP_MS = 20;
const STALL_MS = 30_000; // longer than a lease and than a client's patience

/** Waits for something that can come earlier than expected. */
export class Bell {
  ring: () => void = () => undefined;
  readonly wait = (): Promise<void> => new Promise((resolve) => (this.ring = resolve));
}

/** A process of a service. It can die at every step to the outside; whatever waits in it then waits for ever. */
export class Process {
  isAlive = true;

  constructor(
    readonly world: World,
    readonly name: string,
    private readonly restart: () => void,
  ) {}

  /** @param bell ends the pause earlier. */
  async pause(ms: number, bell?: Bell): Promise<void> {
    const slept = this.world.sleep(ms);
    await (bell ? Promise.race([slept, bell.wait()]) : slept);
    if (!this.isAlive) await never();
  }

  /** A step to the outside, or the way back. */
  async step(): Promise<void> {
    const { world } = this;
    const isStalled = world.happens(world.faults.stall);
    if (isStalled) world.counts.stalls += 1;
    await this.pause(1 + world.below(isStalled ? STALL_MS : STEP_MS));
    if (!world.happens(world.faults.crash)) return;
    this.isAlive = false;
    world.counts.crashes += 1;
    world.note(this.name, 'crashes');
    this.restart();
    await never();
  }
}

/** A promise of its own each time: one for all would keep whatever waits for it in memory. */
const never = (): Promise<never> => new Promise(() => undefined);

/** What was asked of the log and what became of it, as nobody in the simulation knows it but the auditor. */
export interface Appended {
  readonly request: AppendRequest;
  readonly result: AppendResult;
  readonly moment: number;
}

/** The log as one process reaches it: the way there may fail, and so may the way back, when it has happened. */
export class Connection implements EventStore {
  /** What was sent last of each chain: one session does what it is sent in order. */
  readonly #sent = new WeakMap<AppendChain, Promise<unknown>>();

  constructor(
    private readonly process: Process,
    private readonly log: EventStore,
    private readonly onAppend: (appended: Appended) => Promise<void>,
  ) {}

  async append(request: AppendRequest): Promise<AppendResult> {
    const { chain } = request;
    if (!chain) return this.#append(request);
    const appended = (this.#sent.get(chain) ?? Promise.resolve()).then(() => this.#append(request));
    this.#sent.set(
      chain,
      appended.catch(() => chain.break()),
    );
    return appended;
  }

  async #append(request: AppendRequest): Promise<AppendResult> {
    await this.#reach();
    const result = await this.log.append(request);
    await this.onAppend({ request, result, moment: this.process.world.moment });
    await this.#reach();
    return result;
  }

  async findCommand(commandId: string) {
    await this.#reach();
    return this.log.findCommand(commandId);
  }

  async *readStream(stream: StreamId, afterVersion?: bigint) {
    await this.#reach();
    yield* this.log.readStream(stream, afterVersion);
  }

  async *readAll(after: Position, options?: Parameters<EventStore['readAll']>[1]) {
    await this.#reach();
    yield* this.log.readAll(after, options);
  }

  async head(): Promise<Position> {
    await this.#reach();
    return this.log.head();
  }

  async #reach(): Promise<void> {
    await this.process.step();
    const { world } = this.process;
    if (!world.happens(world.faults.unavailable)) return;
    world.counts.outages += 1;
    throw new StoreUnavailable('the store does not answer', undefined);
  }
}
