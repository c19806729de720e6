import type { DeploymentEvent } from '@kontor/domain/deployment';
import type { GovernanceEvent } from '@kontor/domain/governance';
import type { MonitoringEvent } from '@kontor/domain/monitoring';
import type { RegistryEvent } from '@kontor/domain/registry';
import type { RecordedEvent } from '@kontor/event-sourcing';
import type { World } from './world.js';

export type AnyEvent = DeploymentEvent | GovernanceEvent | MonitoringEvent | RegistryEvent;
export type DataOf<Type extends AnyEvent['type']> = Extract<AnyEvent, { type: Type }>['data'];

/** Drafts look at so many of the newest events of a type: what is older has mostly ended. */
const RECENT = 4;

/** What a client knows when it drafts a command: the log so far, and its dice. */
export class Known {
  readonly #byType = new Map<string, unknown[]>();
  #read = 0;

  constructor(
    readonly world: World,
    private readonly events: readonly RecordedEvent[],
  ) {}

  /** The data of all events of a type, oldest first. */
  all<Type extends AnyEvent['type']>(type: Type): readonly DataOf<Type>[] {
    for (; this.#read < this.events.length; this.#read += 1) {
      const event = this.events[this.#read];
      if (event) this.#byType.set(event.type, [...(this.#byType.get(event.type) ?? []), event.data]);
    }
    return (this.#byType.get(type) ?? []) as DataOf<Type>[];
  }

  /** The data of one of the newest events of a type; undefined if there is none. */
  recent<Type extends AnyEvent['type']>(type: Type): DataOf<Type> | undefined {
    const newest = this.all(type).slice(-RECENT);
    return newest[this.world.below(newest.length)];
  }

  maybe(probability: number): boolean {
    return this.world.happens(probability);
  }

  of<Item>(...items: readonly Item[]): Item {
    return this.world.of(items);
  }

  /** What exists, mostly; else one of those that may. */
  among(names: readonly string[], existing: string | undefined): string {
    return existing === undefined || this.maybe(0.15) ? this.world.of(names) : existing;
  }

  /** An id that exists, or now and then one that does not. */
  id(known: string | undefined): string {
    return known === undefined || this.maybe(0.05) ? this.world.newId() : known;
  }
}
