import { z } from 'zod';
import type { Count } from './counts.js';
import type { Experiment } from './mlflow-shapes.js';
import type { MlflowServer } from './mlflow-server.js';
import { type ImportItem, isCopied, timeOf } from './to-commands.js';

/** What Kontor takes in one request; a quarter of what it allows. */
const REQUEST_CHARACTERS = 4 * 1024 * 1024;
/** Far below what an import of a registry would need in one request. */
const ITEMS_A_REQUEST = 500;

const refusal = z.object({ code: z.string(), message: z.string() });

/** Neither: it was left out. */
const outcome = z.object({
  ...refusal.partial().shape,
  position: z.coerce.bigint().optional(),
  events: z.number().default(0),
});

const started = z.object({ import_id: z.string(), started_at: z.string(), position: z.coerce.bigint() });

/** Something of the source that Kontor did not take. */
export interface RefusedItem {
  readonly name: string;
  readonly code: string;
  readonly message: string;
}

/** Which experiments of the source are which here. */
export type ExperimentMap = ReadonlyMap<string, string>;

/** Kontor's side of an import. */
export class Destination {
  readonly refused: RefusedItem[] = [];
  /** Events that were not there when this go began. */
  newEvents = 0;

  private constructor(
    private readonly server: MlflowServer,
    private readonly begun: z.output<typeof started>,
  ) {}

  /** Begins, or goes on with, the import of a source. @throws Refused without the right to, or for an unknown workspace */
  static async open(server: MlflowServer, source: string): Promise<Destination> {
    return new Destination(server, await server.post('/api/2.0/kontor/imports', { source }, started));
  }

  get importId(): string {
    return this.begun.import_id;
  }

  /** Takes over experiments. @returns those that were taken, with their ids here */
  async sendExperiments(experiments: readonly Experiment[]): Promise<ExperimentMap> {
    const body = {
      ...this.#import(),
      experiments: experiments.map(({ creation_time, last_update_time, artifact_location, ...experiment }) => ({
        ...{ experiment_id: experiment.experiment_id, name: experiment.name, tags: experiment.tags },
        created_at: timeOf(creation_time),
        updated_at: timeOf(last_update_time) ?? timeOf(creation_time) ?? new Date(0).toISOString(),
        ...(!isCopied(artifact_location) && { artifact_location }),
      })),
    };
    const taken = z.object({ experiment_id: z.string().optional(), ...refusal.partial().shape });
    const answer = z.object({ experiments: z.array(taken), outcomes: z.array(outcome) });
    const answered = await this.server.post('/api/2.0/kontor/imports/experiments', body, answer);
    this.#count(answered.outcomes);
    const map = new Map<string, string>();
    for (const [index, { experiment_id, code, message }] of answered.experiments.entries()) {
      const { experiment_id: original = '', name = '' } = experiments[index] ?? {};
      if (experiment_id !== undefined) map.set(original, experiment_id);
      if (code !== undefined) this.refused.push({ name: `experiment ${name}`, code, message: message ?? '' });
    }
    return map;
  }

  /** Sends items, in as many requests as their size asks for. The commands of an item arrive in order. */
  async send(items: readonly ImportItem[]): Promise<void> {
    let request: ImportItem[] = [];
    let characters = 0;
    for (const { name, commands } of items) {
      let own: ImportItem['commands'][number][] = [];
      const take = () => {
        if (own.length > 0) request.push({ name, commands: own });
        own = [];
      };
      for (const command of commands) {
        const size = JSON.stringify(command).length;
        // What depends on a command before it stays beside that.
        const begins = /^(?:Create|Start|Register|LogRunData)/.test(command.type) && !command.update;
        if (characters + size > REQUEST_CHARACTERS && begins) {
          take();
          await this.#send(request);
          [request, characters] = [[], 0];
        }
        own.push(command);
        characters += size;
      }
      take();
      if (request.length >= ITEMS_A_REQUEST) {
        await this.#send(request);
        [request, characters] = [[], 0];
      }
    }
    await this.#send(request);
  }

  async #send(items: readonly ImportItem[]): Promise<void> {
    if (items.length === 0) return;
    const body = { ...this.#import(), items: items.map(({ commands }) => ({ commands })) };
    const answer = z.object({ items: z.array(z.object({ outcomes: z.array(outcome) })) });
    const { items: answered } = await this.server.post('/api/2.0/kontor/imports/commands', body, answer);
    for (const [index, { outcomes }] of answered.entries()) {
      const { name = '' } = items[index] ?? {};
      for (const { code, message = '' } of outcomes) if (code !== undefined) this.refused.push({ name, code, message });
      this.#count(outcomes);
    }
  }

  /** A command that the log knew answers with its first position. */
  #count(outcomes: readonly z.output<typeof outcome>[]): void {
    for (const { position, events } of outcomes)
      if (position !== undefined && position > this.begun.position) this.newEvents += events;
  }

  /** Records what both sides hold. */
  async complete(counts: readonly Count[]): Promise<void> {
    const body = {
      import_id: this.begun.import_id,
      counts: counts.map(({ what, atSource, here }) => ({ what, at_source: atSource, here })),
    };
    await this.server.post('/api/2.0/kontor/imports/complete', body, z.object({}));
  }

  #import() {
    const { import_id, started_at } = this.begun;
    return { import_id, started_at };
  }
}
