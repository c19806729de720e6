import { governanceCommands } from '@kontor/domain/governance';
import type { z } from 'zod';
import type {
  ActivatePolicyInput,
  ClassifyUseCaseInput,
  EraseSubjectInput,
  GiveApprovalInput,
  RecordEvidenceInput,
  RegisterUseCaseInput,
  Resolvers,
  ResumeUseCaseInput,
  RevokeApprovalInput,
  SuspendUseCaseInput,
} from '../graphql/generated/types.js';
import { InputProblem, mutation, withoutCommandId } from '../graphql/mutate.js';
import { erasureEntity, policyEntity, subjectEntity, useCaseEntity } from './governance.entities.js';

type Data<Type extends keyof typeof governanceCommands> = z.input<(typeof governanceCommands)[Type]>;

const toUseCase = {
  context: 'governance',
  field: 'useCase',
  entity: useCaseEntity,
  row: ({ useCaseId }: { useCaseId: string }) => [useCaseId],
} as const;
const toSubject = {
  context: 'governance',
  field: 'subject',
  entity: subjectEntity,
  row: ({ subject }: { subject: { manifestDigest: string } }) => [subject.manifestDigest],
} as const;

/**
 * Parts that the SDL shows as free JSON or under another name are parsed here, so that what is sent has the command's
 * type, and a problem the name that the client knows.
 */
const parsed = <Schema extends z.ZodType>(schema: Schema, value: unknown, ...place: string[]): z.input<Schema> => {
  const result = schema.safeParse(value);
  if (result.success) return value as z.input<Schema>;
  const [issue] = result.error.issues;
  const path = [...place, ...(issue?.path ?? []).map(String)];
  throw new InputProblem(`${path.join('.')}: ${issue?.message ?? 'is not allowed'}`, path);
};

const { ActivatePolicy, ClassifyUseCase, RecordEvidence } = governanceCommands;
const ruleIdSchema = ActivatePolicy.shape.rules.element.shape.id;

/** Use cases, policies, approvals and evidence as people change them. */
export const governanceMutations: Pick<Resolvers, 'Mutation'> = {
  Mutation: {
    registerUseCase: mutation({
      ...toUseCase,
      name: 'RegisterUseCase',
      type: 'RegisterUseCase',
      data: (input: RegisterUseCaseInput): Data<'RegisterUseCase'> => withoutCommandId(input),
    }),
    classifyUseCase: mutation({
      ...toUseCase,
      name: 'ClassifyUseCase',
      type: 'ClassifyUseCase',
      data: ({ useCaseId, answers }: ClassifyUseCaseInput): Data<'ClassifyUseCase'> => ({
        useCaseId,
        answers: parsed(ClassifyUseCase.shape.answers, answers, 'answers'),
      }),
    }),
    suspendUseCase: mutation({
      ...toUseCase,
      name: 'SuspendUseCase',
      type: 'SuspendUseCase',
      data: (input: SuspendUseCaseInput): Data<'SuspendUseCase'> => withoutCommandId(input),
    }),
    resumeUseCase: mutation({
      ...toUseCase,
      name: 'ResumeUseCase',
      type: 'ResumeUseCase',
      data: (input: ResumeUseCaseInput): Data<'ResumeUseCase'> => withoutCommandId(input),
    }),
    activatePolicy: mutation({
      name: 'ActivatePolicy',
      context: 'governance',
      type: 'ActivatePolicy',
      data: ({ policyId, environment, tiers, rules }: ActivatePolicyInput): Data<'ActivatePolicy'> => ({
        policyId,
        environment,
        tiers: [...tiers],
        rules: rules.map(({ ruleId, ...rule }, index) => ({
          ...rule,
          requires: [...rule.requires],
          id: parsed(ruleIdSchema, ruleId, 'rules', String(index), 'ruleId'),
        })),
      }),
      field: 'policy',
      entity: policyEntity,
      row: ({ policyId }) => [policyId],
    }),
    giveApproval: mutation({
      ...toSubject,
      name: 'GiveApproval',
      type: 'GiveApproval',
      data: (input: GiveApprovalInput, commandId): Data<'GiveApproval'> => ({
        ...withoutCommandId(input),
        expiresAt: input.expiresAt ?? null,
        approvalId: commandId,
      }),
      refused: ({ approvals, refusedApprovals }, commandId) => {
        if (approvals.some(({ approvalId }) => approvalId === commandId)) return undefined;
        const { reason, sentence } = refusedApprovals.at(-1) ?? {};
        return reason && sentence ? { rejection: reason, message: sentence, details: {} } : undefined;
      },
    }),
    revokeApproval: mutation({
      ...toSubject,
      name: 'RevokeApproval',
      type: 'RevokeApproval',
      data: (input: RevokeApprovalInput): Data<'RevokeApproval'> => withoutCommandId(input),
    }),
    recordEvidence: mutation({
      ...toSubject,
      name: 'RecordEvidence',
      type: 'RecordEvidence',
      data: (input: RecordEvidenceInput, commandId): Data<'RecordEvidence'> => {
        const { subject, type, metrics, reviewer } = input;
        const evidence = [{ evidenceId: commandId, type, metrics }];
        return {
          subject,
          evidence: parsed(RecordEvidence.shape.evidence, evidence, 'evidence'),
          reviewer: reviewer ?? null,
          sourceEventId: null,
        };
      },
    }),
    eraseSubject: mutation({
      name: 'EraseSubject',
      context: 'governance',
      type: 'EraseSubject',
      data: async (input: EraseSubjectInput, _id, { personal, log, workspace }): Promise<Data<'EraseSubject'>> => {
        const { subjectId, ground } = input;
        const standing = await personal.standing(workspace, subjectId);
        return { subjectId, ground, ...standing, legalHolds: [...(await log.legalHolds(workspace))] };
      },
      field: 'erasure',
      entity: erasureEntity,
      row: ({ subjectId }) => [subjectId],
    }),
  },
};
