// The auditor of the fault tests. It knows what clients wrote down and what plain SQL and a plain NATS client find afterwards,
// and shares no code with the store: leaves and roots are computed here once more.
import { createHash, type KeyObject, verify } from 'node:crypto';
import type { Operation, SentWrite } from './history.js';

/** A row of es.event. Bytes are hex, `recordedAt` is RFC 3339 with microseconds. */
export interface StoredEvent {
  readonly pos: number;
  readonly eventId: string;
  readonly stream: string;
  readonly version: number;
  readonly type: string;
  readonly schemaVersion: number;
  readonly workspace: string;
  readonly actor: string;
  readonly commandId: string;
  readonly recordedAt: string;
  readonly data: string;
  readonly meta: string;
  readonly leaf: string;
}

export interface StoredLog {
  readonly origin: string;
  readonly head: number;
  /** By position. */
  readonly events: readonly StoredEvent[];
  readonly commands: readonly {
    readonly id: string;
    readonly first: number;
    readonly last: number;
    readonly recordedAt: string;
  }[];
  readonly streams: readonly { readonly id: string; readonly version: number }[];
}

/** What one consumer applied, in the order in which it did. */
export interface Applied {
  readonly consumer: string;
  readonly checkpoint: number;
  /** Event types that it handles; undefined = all. */
  readonly types?: readonly string[];
  readonly rows: readonly { readonly pos: number; readonly eventId: string }[];
}

/** A read model with one row per stream, `{"count":<events so far>,"last":<event id>}`, open rows with `to` undefined. */
export interface ReadRows {
  readonly checkpoint: number;
  readonly rows: readonly {
    readonly key: string;
    readonly body: string;
    readonly from: number;
    readonly to: number | undefined;
  }[];
  /** Streams that wait for somebody to resolve their poison. */
  readonly parked?: readonly string[];
}

export interface StoredMessages {
  readonly base: number;
  readonly lastSequence: number;
  readonly messages: readonly { readonly sequence: number; readonly eventId: string }[];
}

export interface Checkpoints {
  readonly publicKey: KeyObject;
  /** Signed notes, of the database and of whoever kept one. */
  readonly notes: readonly string[];
}

/** Plain text that was erased, and everything in which it must not be found. */
export interface Erased {
  readonly secrets: readonly string[];
  readonly places: readonly { readonly name: string; readonly content: Buffer }[];
}

export interface Evidence {
  readonly history: readonly Operation[];
  readonly log: StoredLog;
  readonly applied?: readonly Applied[];
  readonly rows?: ReadRows;
  readonly messages?: StoredMessages;
  readonly checkpoints?: Checkpoints;
  readonly erased?: Erased;
}

export interface Verdict {
  /** `I4: ...`, the first few of each invariant. */
  readonly violations: readonly string[];
  readonly acknowledged: number;
  /** Answers that repeat an earlier one. */
  readonly replayed: number;
  readonly refused: number;
  /** Commands whose outcome the client never learned, and that are there. */
  readonly recovered: number;
  /** Commands whose outcome the client never learned, and that are not there. */
  readonly unknown: number;
  readonly events: number;
}

/** More of one kind teach nothing. */
const MAX_TOLD = 5;

type Sent = Map<string, { readonly writes: readonly SentWrite[]; readonly guards: NonNullable<Operation['guards']> }>;
const isAccepted = ({ op }: Operation): boolean => op === 'ok';

/** I1: no acknowledged append is lost. Told per writer, with the part of its acknowledgements that is gone. */
const lost = (history: readonly Operation[], { events }: StoredLog): string[] => {
  const at = new Map(events.map((event) => [event.pos, event.commandId]));
  const byWriter = Map.groupBy(history.filter(isAccepted), ({ proc }) => proc);
  return [...byWriter].flatMap(([proc, acknowledged]) => {
    const isLost = acknowledged.map(
      ({ cmd, result = {} }) => at.get(result.first ?? 0) !== cmd || at.get(result.last ?? 0) !== cmd,
    );
    const count = isLost.filter(Boolean).length;
    if (count === 0) return [];
    const [first, last] = [isLost.indexOf(false), isLost.lastIndexOf(false)];
    const parts = [
      isLost.some((gone, index) => gone && (first === -1 || index < first)) && 'prefix',
      isLost.some((gone, index) => gone && index > first && index < last) && 'middle',
      isLost.some((gone, index) => gone && first !== -1 && index > last) && 'end',
    ].filter((part) => part !== false);
    const example = acknowledged[isLost.indexOf(true)]?.cmd;
    return [`lost ${count} of ${acknowledged.length} acknowledged of ${proc} (${parts.join(', ')}), first ${example}`];
  });
};

/** I2: every stored event was attempted, and no command that surely failed is stored. */
const unexpected = (history: readonly Operation[], { events }: StoredLog, sent: Sent): string[] => {
  const attempted = new Set([...sent.values()].flatMap(({ writes }) => writes.flatMap((write) => write.events)));
  const open = new Set<string>();
  const failed = new Set<string>();
  for (const [, operations] of Map.groupBy(history, ({ proc, cmd }) => `${proc} ${cmd}`)) {
    const end = operations.at(-1);
    if (end?.op === 'fail') failed.add(end.cmd);
    if (operations.some(({ op }) => op === 'ok' || op === 'info') || end?.op === 'invoke') open.add(end?.cmd ?? '');
  }
  return events.flatMap(({ pos, eventId, commandId }) => {
    if (!attempted.has(eventId)) return [`position ${pos} holds event ${eventId}, which nobody sent`];
    return failed.has(commandId) && !open.has(commandId)
      ? [`position ${pos} is of ${commandId}, which was refused`]
      : [];
  });
};

/** I3: no command and no event is stored twice. */
const doubled = (_: readonly Operation[], { events, commands }: StoredLog): string[] => {
  const seen = new Set<string>();
  const ids = [...events.map(({ eventId }) => `event ${eventId}`), ...commands.map(({ id }) => `command ${id}`)];
  return ids.filter((id) => seen.size === seen.add(id).size).map((id) => `${id} is stored twice`);
};

/** I4: positions run 1, 2, 3 … to the head. */
const gaps = (_: readonly Operation[], { events, head }: StoredLog): string[] => {
  const wrong = events.flatMap(({ pos }, index) =>
    pos === index + 1 ? [] : [`position ${pos} stands at place ${index + 1}`],
  );
  return head === events.length ? wrong : [...wrong, `the head is ${head}, ${events.length} events are stored`];
};

/** I5: versions of a stream run 1, 2, 3 … with the position, to the version of the stream's row. */
const versions = (_: readonly Operation[], { events, streams }: StoredLog): string[] => {
  const reached = new Map<string, number>();
  const wrong = events.flatMap(({ pos, stream, version }) => {
    const expected = (reached.get(stream) ?? 0) + 1;
    reached.set(stream, version);
    return version === expected ? [] : [`position ${pos} is version ${version} of ${stream}, not ${expected}`];
  });
  const rows = new Map(streams.map(({ id, version }) => [id, version]));
  for (const id of new Set([...reached.keys(), ...rows.keys()])) {
    if (reached.get(id) !== rows.get(id))
      wrong.push(`${id} says version ${rows.get(id)}, its events end at ${reached.get(id)}`);
  }
  return wrong;
};

/** I6: a command is stored whole, in its order, without another event between; or not at all. */
const torn = (_: readonly Operation[], { events }: StoredLog, sent: Sent): string[] =>
  [...Map.groupBy(events, ({ commandId }) => commandId)].flatMap(([id, stored]) => {
    const wanted = (sent.get(id)?.writes ?? []).flatMap(({ stream, events: ids }) =>
      ids.map((one) => `${stream} ${one}`),
    );
    const got = stored.map(({ stream, eventId }) => `${stream} ${eventId}`);
    if (got.join() !== wanted.join())
      return [`${got.length} of the ${wanted.length} events of ${id} are stored, or in another order`];
    const span = (stored.at(-1)?.pos ?? 0) - (stored[0]?.pos ?? 0) + 1;
    return span === stored.length ? [] : [`the ${stored.length} events of ${id} lie over ${span} positions`];
  });

/** I7: at most one command wins an expected version, and a guarded stream stood where the guard said. */
const expectations = (_: readonly Operation[], { events }: StoredLog, sent: Sent): string[] => {
  const reached = new Map<string, number>();
  return [...Map.groupBy(events, ({ commandId }) => commandId)].flatMap(([id, stored]) => {
    const held = [...(sent.get(id)?.writes ?? []), ...(sent.get(id)?.guards ?? [])].flatMap(({ stream, expected }) => {
      const actual = reached.get(stream) ?? 0;
      const isHeld = expected === 'any' || Number(expected === 'none' ? 0 : expected) === actual;
      return isHeld ? [] : [`${id} was accepted on version ${actual} of ${stream}, expected was ${expected}`];
    });
    for (const { stream, version } of stored) reached.set(stream, version);
    return held;
  });
};

/** I8: `recorded_at` does not fall. */
const clock = (_: readonly Operation[], { events }: StoredLog): string[] =>
  events.flatMap(({ pos, recordedAt }, index) => {
    const before = events[index - 1]?.recordedAt ?? '';
    return recordedAt >= before ? [] : [`position ${pos} is of ${recordedAt}, the one before of ${before}`];
  });

/** I9: an accepted command id gets one answer for ever, and says `appended` at most once. */
const answers = (history: readonly Operation[], { commands }: StoredLog): string[] => {
  const stored = new Map(commands.map((command) => [command.id, command]));
  return [...Map.groupBy(history.filter(isAccepted), ({ cmd }) => cmd)].flatMap(([id, all]) => {
    const told = new Set(
      all.map(({ result = {} }) => JSON.stringify([result.first, result.last, result.recordedAt, result.versions])),
    );
    const { first, last, recordedAt } = stored.get(id) ?? {};
    const { result = {} } = all[0] ?? {};
    const appended = all.filter(({ result }) => result?.outcome === 'appended').length;
    if (told.size > 1) return [`${id} got ${told.size} different answers`];
    if (appended > 1) return [`${id} was appended ${appended} times`];
    return first === result.first && last === result.last && recordedAt === result.recordedAt
      ? []
      : [`${id} is remembered with another answer than it got`];
  });
};

/** I10: what a consumer applied is a prefix of its filtered log, in order, each event once. */
const applications = ({ log, applied = [] }: Evidence): string[] =>
  applied.flatMap(({ consumer, checkpoint, types, rows }) => {
    const wanted = log.events.filter(({ pos, type }) => pos <= checkpoint && (types?.includes(type) ?? true));
    const index = rows.findIndex(({ pos, eventId }, at) => wanted[at]?.pos !== pos || wanted[at].eventId !== eventId);
    if (index !== -1)
      return [`${consumer} applied position ${rows[index]?.pos} where ${wanted[index]?.pos ?? 'nothing'} was next`];
    return rows.length === wanted.length
      ? []
      : [`${consumer} is at ${checkpoint} and applied ${rows.length} events, not ${wanted.length}`];
  });

/** I11: rows at a checkpoint are the fold of the log up to it, at every past position too. */
const folds = ({ log, rows }: Evidence): string[] => {
  if (!rows) return [];
  const skipped = new Set(rows.parked);
  const isFolded = (key: string): boolean => !skipped.has(key);
  const wanted = new Map<string, string>();
  const streams = Map.groupBy(
    log.events.filter(({ pos }) => pos <= rows.checkpoint),
    ({ stream }) => stream,
  );
  for (const [key, events] of streams) {
    for (const [index, { pos, eventId }] of events.entries()) {
      const body = JSON.stringify({ count: index + 1, last: eventId });
      if (isFolded(key)) wanted.set(`${key} from ${pos}`, `${body} to ${events[index + 1]?.pos ?? 'now'}`);
    }
  }
  const got = new Map(
    rows.rows
      .filter(({ key }) => isFolded(key))
      .map(({ key, body, from, to }) => [`${key} from ${from}`, `${body} to ${to ?? 'now'}`]),
  );
  return [...new Set([...wanted.keys(), ...got.keys()])]
    .filter((version) => wanted.get(version) !== got.get(version))
    .map(
      (version) => `${version} is ${got.get(version) ?? 'missing'}, the fold gives ${wanted.get(version) ?? 'none'}`,
    );
};

/** I12: JetStream sequence = position - base, with the same event id, without a hole, up to the head. */
const relayed = ({ log, messages }: Evidence): string[] => {
  if (!messages) return [];
  const { base, lastSequence } = messages;
  const wrong = messages.messages.flatMap(({ sequence, eventId }) => {
    const event = log.events[sequence + base - 1];
    return event?.eventId === eventId
      ? []
      : [`sequence ${sequence} is event ${eventId}, position ${sequence + base} is ${event?.eventId}`];
  });
  for (const [index, { sequence }] of messages.messages.entries()) {
    const before = messages.messages[index - 1]?.sequence ?? sequence - 1;
    if (sequence !== before + 1) wrong.push(`sequence ${sequence} follows ${before}`);
  }
  const isComplete = lastSequence + base === log.head && messages.messages.at(-1)?.sequence === lastSequence;
  return isComplete ? wrong : [...wrong, `JetStream ends at sequence ${lastSequence}, the log at position ${log.head}`];
};

const sha256 = (...parts: readonly (string | Uint8Array)[]): Buffer =>
  parts.reduce((hash, part) => hash.update(part), createHash('sha256')).digest();

/** @source RFC 6962, section 2.1; the entry is the log's own, of 13 lines. */
const leafOf = (origin: string, event: StoredEvent): Buffer => {
  const { pos, eventId, stream, version, type, schemaVersion, recordedAt, workspace, actor, commandId, data, meta } =
    event;
  const lines = [
    'kontor/event/1',
    origin,
    pos,
    eventId,
    stream,
    version,
    `${type}@${schemaVersion}`,
    recordedAt,
    workspace,
    actor,
    commandId,
  ];
  const hashes = [data, meta].map((text) => sha256(text).toString('hex'));
  return sha256(Uint8Array.of(0), [...lines, ...hashes, ''].join('\n'));
};

/** Roots of all sizes that are asked for. @source RFC 6962, section 2.1 */
const rootsOf = (leaves: readonly Buffer[], sizes: ReadonlySet<number>): ReadonlyMap<number, string> => {
  const roots = new Map<number, string>();
  const node = (left: Buffer, right: Buffer): Buffer => sha256(Uint8Array.of(1), left, right);
  const peaks: Buffer[] = []; // roots of the perfect subtrees, the largest first
  for (const [index, leaf] of leaves.entries()) {
    let peak = leaf;
    for (let size = index + 1; size % 2 === 0; size /= 2) peak = node(peaks.pop() ?? peak, peak);
    peaks.push(peak);
    if (sizes.has(index + 1))
      roots.set(index + 1, peaks.reduceRight((right, left) => node(left, right)).toString('base64'));
  }
  return roots;
};

/** I13: leaves, and the root of each signed checkpoint, are those of the rows; so each is consistent with every later one. */
const sealed = ({ log, checkpoints }: Evidence): string[] => {
  if (!checkpoints) return [];
  const leaves = log.events.map((event) => leafOf(log.origin, event));
  const wrong = log.events.flatMap(({ pos, leaf }, index) =>
    leaves[index]?.toString('hex') === leaf ? [] : [`position ${pos} has another leaf than its fields give`],
  );
  const notes = checkpoints.notes.map((note) => {
    const [text = '', signatures = ''] = note.split('\n\n');
    const [origin, size, root] = text.split('\n');
    const line = signatures.split('\n').find((signature) => signature.startsWith(`— ${log.origin} `)) ?? '';
    const signature = Buffer.from(line.split(' ')[2] ?? '', 'base64').subarray(4); // behind the key id
    const isSigned = verify(null, Buffer.from(`${text}\n`), checkpoints.publicKey, signature);
    return { origin, size: Number(size), root, isSigned };
  });
  const roots = rootsOf(leaves, new Set(notes.map(({ size }) => size)));
  for (const { origin, size, root, isSigned } of notes) {
    if (!isSigned || origin !== log.origin) wrong.push(`the checkpoint of ${size} is not signed by ${log.origin}`);
    if (roots.get(size) !== root) wrong.push(`the checkpoint of ${size} has another root than the rows give`);
  }
  return wrong;
};

/** I14: erased plain text is nowhere. That proofs still verify is I13. */
const remains = ({ erased }: Evidence): string[] =>
  (erased?.places ?? []).flatMap(({ name, content }) =>
    (erased?.secrets ?? []).flatMap((secret, index) =>
      content.includes(secret) ? [`secret ${index} is in ${name}`] : [],
    ),
  );

const OF_HISTORY = {
  I1: lost,
  I2: unexpected,
  I3: doubled,
  I4: gaps,
  I5: versions,
  I6: torn,
  I7: expectations,
  I8: clock,
  I9: answers,
};
const OF_COPIES = { I10: applications, I11: folds, I12: relayed, I13: sealed, I14: remains };

/** Holds everything that is known against all invariants. @source the invariants I1 to I14 of the log */
export const check = (evidence: Evidence): Verdict => {
  const { history, log } = evidence;
  const sent: Sent = new Map();
  for (const { op, cmd, writes, guards } of history) {
    if (op === 'invoke' && writes) sent.set(cmd, { writes, guards: guards ?? [] });
  }
  const told = (invariant: string, found: readonly string[]): string[] => {
    const more = found.length > MAX_TOLD ? [`${invariant}: and ${found.length - MAX_TOLD} more`] : [];
    return [...found.slice(0, MAX_TOLD).map((what) => `${invariant}: ${what}`), ...more];
  };
  const violations = [
    ...Object.entries(OF_HISTORY).flatMap(([name, invariant]) => told(name, invariant(history, log, sent))),
    ...Object.entries(OF_COPIES).flatMap(([name, invariant]) => told(name, invariant(evidence))),
  ];
  const ended = (op: Operation['op']): Set<string> =>
    new Set(history.filter((one) => one.op === op).map(({ cmd }) => cmd));
  const [acknowledged, refused] = [ended('ok'), ended('fail')];
  const stored = new Set(log.events.map(({ commandId }) => commandId));
  const open = [...sent.keys()].filter((id) => !acknowledged.has(id) && !refused.has(id));
  const recovered = open.filter((id) => stored.has(id)).length;
  return {
    violations,
    acknowledged: acknowledged.size,
    replayed: history.filter(({ result }) => result?.outcome === 'replayed').length,
    refused: refused.size,
    recovered,
    unknown: open.length - recovered,
    events: log.events.length,
  };
};
