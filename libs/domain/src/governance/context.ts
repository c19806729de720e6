import { type Claim, type Command, type Context, routes, type StreamId, streamId } from '@kontor/event-sourcing';
import { environment, governanceCommands } from './commands.js';
import { type GovernanceEvent, governanceEvents, riskTier } from './events.js';
import { incident, type IncidentCommand, type IncidentState } from './incident.js';
import { legalHold, type LegalHoldCommand, type LegalHoldState } from './legal-hold.js';
import { logArchive, type LogArchiveCommand, type LogArchiveState } from './log-archive.js';
import { sameData } from '../values.js';
import { person, type PersonCommand, type PersonState } from './person.js';
import { policy, type PolicyCommand, type PolicyState } from './policy.js';
import { governanceReactions } from './reactions.js';
import { recheck, type RecheckCommand, type RecheckState } from './recheck.js';
import { type GovernanceRejection, governanceRejections } from './rejections.js';
import { subject, type SubjectCommand, type SubjectState } from './subject.js';
import { useCase, type UseCaseCommand, type UseCaseState } from './use-case.js';

const inGovernance = (workspace: string, aggregate: string, id: string): StreamId =>
  streamId({ workspace, context: 'governance', aggregate, id });

/** The stream of a use case: `<workspace>/governance/use-case/<id>`. */
export const useCaseStream = (workspace: string, useCaseId: string): StreamId =>
  inGovernance(workspace, 'use-case', useCaseId);

/** The stream of a policy, all its versions: `<workspace>/governance/policy/<id>`. */
export const policyStream = (workspace: string, policyId: string): StreamId =>
  inGovernance(workspace, 'policy', policyId);

/** The stream of an artifact: `<workspace>/governance/subject/<64 hex digits of its manifest digest>`. */
export const subjectStream = (workspace: string, manifestDigest: string): StreamId =>
  inGovernance(workspace, 'subject', manifestDigest.slice('sha256:'.length));

/** The stream of a person's erasures: `<workspace>/governance/person/<id>`. */
export const personStream = (workspace: string, subjectId: string): StreamId =>
  inGovernance(workspace, 'person', subjectId);

const ofUseCase = {
  stream: (c: Command<string, { readonly useCaseId: string }>) => useCaseStream(c.metadata.workspace, c.data.useCaseId),
};
const ofSubject = {
  stream: (c: Command<string, { readonly subject: { readonly manifestDigest: string } }>) =>
    subjectStream(c.metadata.workspace, c.data.subject.manifestDigest),
};

/** The stream of a legal hold: `<workspace>/governance/legal-hold/<id>`. */
export const legalHoldStream = (workspace: string, holdId: string): StreamId =>
  inGovernance(workspace, 'legal-hold', holdId);

const holdOf = (take: boolean) => ({
  stream: ({ metadata, data }: Command<string, { readonly holdId: string }>) =>
    legalHoldStream(metadata.workspace, data.holdId),
  claims: ({ metadata, data }: Command<string, { readonly holdId: string }>): readonly Claim[] => [
    { stream: legalHoldStream(metadata.workspace, data.holdId), kind: 'legal-hold', key: data.holdId, take },
  ],
});
const ofLogRange = {
  stream: (c: Command<string, { readonly firstPosition: string; readonly lastPosition: string }>) =>
    inGovernance(c.metadata.workspace, 'log-archive', `${c.data.firstPosition}-${c.data.lastPosition}`),
};

const route = routes<typeof governanceCommands>();

/**
 * Everything that the governance context allows.
 *
 * Unique in a workspace: the use case of an endpoint (claims of kind `use-case-endpoint`), and the policy of an
 * environment and tier (`active-policy`, freed by the policy's next version without them), so that the choice of both is never
 * ambiguous. A legal hold has a claim of kind `legal-hold` while it is placed, so that whoever removes something can ask
 * under the lock of the log (es.legal_hold).
 */
export const governance: Context = {
  name: 'governance',
  events: governanceEvents,
  commands: governanceCommands,
  routes: {
    ...route<UseCaseState, GovernanceEvent, GovernanceRejection, UseCaseCommand['type']>(useCase, {
      RegisterUseCase: {
        ...ofUseCase,
        claims: (command): readonly Claim[] =>
          [...new Set(command.data.endpoints)].map((key) => ({
            stream: ofUseCase.stream(command),
            kind: 'use-case-endpoint',
            key,
            take: true,
          })),
      },
      ClassifyUseCase: ofUseCase,
      SuspendUseCase: ofUseCase,
      ResumeUseCase: ofUseCase,
    }),
    ...route<PolicyState, GovernanceEvent, GovernanceRejection, PolicyCommand['type']>(policy, {
      ActivatePolicy: {
        stream: ({ metadata, data }) => policyStream(metadata.workspace, data.policyId),
        // All that the new version does not take is freed, since the version before may have taken it. Freeing what
        // another policy holds, or nobody, does nothing.
        claims: ({ metadata, data }): readonly Claim[] =>
          environment.options.flatMap((place) =>
            riskTier.options.map((tier) => ({
              stream: policyStream(metadata.workspace, data.policyId),
              kind: 'active-policy',
              key: `${place} ${tier}`,
              take: place === data.environment && data.tiers.includes(tier),
            })),
          ),
      },
    }),
    ...route<SubjectState, GovernanceEvent, GovernanceRejection, SubjectCommand['type']>(subject, {
      RecordAuthorship: ofSubject,
      RecordEvidence: ofSubject,
      GiveApproval: ofSubject,
      RevokeApproval: ofSubject,
      EvaluateGate: ofSubject,
      ReevaluateGates: ofSubject,
      SettleGate: ofSubject,
    }),
    ...route<RecheckState, GovernanceEvent, GovernanceRejection, RecheckCommand['type']>(recheck, {
      RecheckGates: {
        stream: ({ metadata, data }) => inGovernance(metadata.workspace, 'recheck', data.causeId),
      },
    }),
    ...route<PersonState, GovernanceEvent, GovernanceRejection, PersonCommand['type']>(person, {
      EraseSubject: { stream: ({ metadata, data }) => personStream(metadata.workspace, data.subjectId) },
    }),
    ...route<IncidentState, GovernanceEvent, GovernanceRejection, IncidentCommand['type']>(incident, {
      OpenIncident: {
        stream: ({ metadata, data }) => inGovernance(metadata.workspace, 'incident', data.incidentId),
      },
    }),
    ...route<LegalHoldState, GovernanceEvent, GovernanceRejection, LegalHoldCommand['type']>(legalHold, {
      PlaceLegalHold: holdOf(true),
      ReleaseLegalHold: holdOf(false),
    }),
    ...route<LogArchiveState, GovernanceEvent, GovernanceRejection, LogArchiveCommand['type']>(logArchive, {
      RecordLogArchived: ofLogRange,
      RecordArchivedLogDropped: ofLogRange,
    }),
  },
  // Version 2 stores personal values encrypted. Readers see a text in both.
  upcasters: { ApprovalGiven: [sameData], ApprovalRevoked: [sameData] },
  reactions: governanceReactions,
  rejections: governanceRejections,
};
