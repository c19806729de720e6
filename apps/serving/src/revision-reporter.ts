import { createHash } from 'node:crypto';
import type { CommandReply } from '@kontor/messaging';
import type { Log } from '@kontor/service/process';
import type { RevisionOutcome } from './models/model-host.js';

/** Pauses between tries, the last one for ever: the deployment service may be started minutes later. */
const RETRY_MS = [100, 250, 500, 1_000, 2_000] as const;

/** `ReportRevisionState` of the deployment context, before it is signed. */
export interface RevisionReport {
  readonly commandId: string;
  readonly workspace: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/** Sends a report once. Rejects if it could not be sent. */
export type SendReport = (report: RevisionReport) => Promise<CommandReply>;

/** A UUIDv7 layout over the time of the process start and a hash: the same report has the same id in every try. */
const commandIdOf = (processStartMs: number, parts: readonly string[]): string => {
  const hash = createHash('sha256').update(parts.join('\n')).digest('hex');
  const time = Math.floor(processStartMs).toString(16).padStart(12, '0');
  const variant = ((parseInt(hash.slice(3, 4), 16) & 0x3) | 0x8).toString(16);
  return `${time.slice(0, 8)}-${time.slice(8)}-7${hash.slice(0, 3)}-${variant}${hash.slice(4, 7)}-${hash.slice(7, 19)}`;
};

const dataOf = (endpoint: string, revisionId: string, outcome: RevisionOutcome): Record<string, unknown> =>
  outcome.state === 'loaded'
    ? {
        endpoint,
        revisionId,
        state: 'loaded',
        digest: outcome.digest,
        goldenRows: outcome.goldenRows,
        goldenMaxDifference: outcome.goldenMaxDifference,
        loadMs: outcome.loadMs,
      }
    : { endpoint, revisionId, state: 'failed', reason: outcome.reason.slice(0, 2_000) };

/** Tells the deployment service what became of each revision, until it has answered. */
export class RevisionReporter {
  #closed = false;
  readonly #timers = new Set<NodeJS.Timeout>();

  constructor(
    private readonly send: SendReport,
    private readonly processStartMs: number,
    private readonly log: Pick<Log, 'error'>,
  ) {}

  report(workspace: string, endpoint: string, revisionId: string, digest: string, outcome: RevisionOutcome): void {
    const parts = [workspace, endpoint, revisionId, digest, outcome.state];
    const commandId = commandIdOf(this.processStartMs, parts);
    this.#try({ commandId, workspace, data: dataOf(endpoint, revisionId, outcome) }, 0);
  }

  #try(report: RevisionReport, attempt: number): void {
    const retry = (): void => {
      if (this.#closed) return;
      const delayMs = RETRY_MS[Math.min(attempt, RETRY_MS.length - 1)] ?? 0;
      const timer = setTimeout(() => {
        this.#timers.delete(timer);
        this.#try(report, attempt + 1);
      }, delayMs);
      this.#timers.add(timer);
    };
    const complain = (message: string, reason: unknown, code?: string): void => {
      const { endpoint, revisionId, state } = report.data;
      this.log.error(message, reason, { endpoint, revisionId, state, commandId: report.commandId, code });
    };
    // No answer, an unreachable service and a failed one are alike: the same command is sent again. The first failure is
    // logged; the others say the same.
    this.send(report).then(
      (reply) => {
        if (reply.outcome === 'accepted') return;
        if (reply.outcome === 'rejected') return complain('a report is rejected', reply.message, reply.code);
        // The same bytes would be refused again.
        if (reply.code === 'INVALID') return complain('a report is refused', reply.message, reply.code);
        if (attempt === 0) complain('a report is not accepted yet', reply.message, reply.code);
        retry();
      },
      (error: unknown) => {
        if (attempt === 0) complain('a report cannot be sent yet', error);
        retry();
      },
    );
  }

  close(): void {
    this.#closed = true;
    for (const timer of this.#timers) clearTimeout(timer);
  }
}
