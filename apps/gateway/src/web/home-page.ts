import type { Position } from '@kontor/event-sourcing';
import { parse, print } from 'graphql';

interface Question {
  readonly title: string;
  readonly query: string;
}

/** Queries that show something as soon as the platform runs; each opens in the explorer. */
const DEMO_QUERIES: readonly Question[] = [
  {
    title: 'What serves now',
    query: `{
  endpoints { nodes { endpoint environment suspension { reason } serving { weightBps version { modelName version } } } }
}`,
  },
  {
    title: 'Rollouts, step by step',
    query: `{
  rollouts { nodes { endpointName state version { modelName version } reasons analyses { step verdict guards { sentence } } gate { outcome rules { ruleId outcome sentence } } } }
}`,
  },
  {
    title: 'Models and their versions',
    query: `{
  registeredModels { nodes { name aliases { alias version } versions { nodes { version manifestDigest registeredBy } } } }
}`,
  },
  {
    title: 'Who approved what',
    query: `{
  subjects { nodes { version { modelName version } authors approvals { by meaning comment at } refusedApprovals { by reason sentence } } }
}`,
  },
  {
    title: 'Windows and drift',
    query: `{
  windows(first: 5) { nodes { window { start end } rows labels performance { accuracy { value low high n } } drift { features { feature value verdict sentence } } } }
}`,
  },
  {
    title: 'Alerts and who was told',
    query: `{
  alerts { nodes { kind severity state sentence features notify { role actor } resolution { reason at } } }
}`,
  },
];

/** Questions whose best form depends on where the log is. */
const questionsAt = (position: Position): readonly Question[] =>
  position === 0n
    ? []
    : [
        {
          title: 'The last events',
          query: `{
  events(after: "${position > 10n ? position - 10n : 0n}") { messages { ... on Event { position type stream actor recordedAt } } }
}`,
        },
        {
          title: 'Events as they come, one at a time',
          // Begun one event ago, so that something is there at once: the explorer shows the newest alone.
          query: `subscription {
  events(after: "${position - 1n}") { ... on Event { position type stream actor recordedAt } ... on Heartbeat { position time } }
}`,
        },
        {
          title: 'The same question at a past position',
          query: `{
  before: at(position: "${(position + 1n) / 2n}") { position endpoints { nodes { endpoint serving { weightBps version { modelName version } } } } }
  now: endpoints { nodes { endpoint serving { weightBps version { modelName version } } } }
}`,
        },
      ];

const escape = (text: string): string =>
  text.replace(/[&<>"]/g, (character) => `&#${String(character.charCodeAt(0))};`);

export interface HomePage {
  readonly version: string;
  readonly address: string;
  /** In front of the paths of MLflow's API: `/workspaces/<name>` where the page is one of a workspace, or nothing. */
  readonly mlflowPrefix: string;
  readonly origin: string;
  /** Undefined while the database does not answer. */
  readonly log:
    | {
        readonly position: Position;
        readonly readModels: readonly {
          readonly projection: string;
          readonly position: string;
          readonly lagEvents: number;
        }[];
      }
    | undefined;
  /** What the gateway can ask for a sign of life; it runs itself, or there would be no page. */
  readonly parts: readonly { readonly name: string; readonly answers: boolean }[];
  /** Whether the explorer can read the schema. */
  readonly introspection: boolean;
}

const STYLE = `
html{color-scheme:light dark}body{font:16px/1.55 system-ui,sans-serif;max-width:62rem;margin:2.5rem auto;padding:0 1.25rem;color:#1c2128;background:#fff}
h1{margin:0}h2{font-size:1.1rem;margin:2rem 0 .5rem;border-bottom:1px solid #d0d7de;padding-bottom:.25rem}p{margin:.4rem 0}
table{border-collapse:collapse}td,th{text-align:left;padding:.15rem 1.5rem .15rem 0;vertical-align:top}td:last-child,th:last-child{padding-right:0}.n{text-align:right}
.up{color:#1a7f37}.down{color:#cf222e;font-weight:600}a{color:#0550ae}
pre{background:#f6f8fa;padding:.7rem;overflow:auto;font-size:13px;border-radius:6px;white-space:pre-wrap}
details{margin:.35rem 0;overflow-x:auto}summary{cursor:pointer}code{font-size:.9em;overflow-wrap:anywhere}
@media(prefers-color-scheme:dark){body{color:#e6edf3;background:#0d1117}h2{border-color:#30363d}pre{background:#161b22}
a{color:#79c0ff}.up{color:#3fb950}.down{color:#ff7b72}}`;

const explorerLink = (query: string): string => `/explorer?query=${encodeURIComponent(query)}`;

const partsTable = (parts: HomePage['parts']): string =>
  `<table>${parts
    .map(({ name, answers }) => {
      const state = answers ? '<td class="up">runs' : '<td class="down">does not answer';
      return `<tr><td>${escape(name)}${state}</tr>`;
    })
    .join('')}</table>`;

const readModelsPart = ({ readModels }: NonNullable<HomePage['log']>): string => {
  const behind = readModels.filter(({ lagEvents }) => lagEvents > 0).length;
  const summary =
    behind === 0
      ? `All ${readModels.length} read models have applied the whole log.`
      : `${behind} of ${readModels.length} read models are behind the log.`;
  const rows = readModels.map(
    ({ projection, position, lagEvents }) =>
      `<tr><td>${escape(projection)}<td class="n">${escape(position)}<td class="n">${lagEvents}</tr>`,
  );
  return `<details><summary>${summary}</summary><table><tr><th>name<th class="n">position<th class="n">events behind</tr>${rows.join('')}</table></details>`;
};

/** One plain page without scripts and without anything from the network. */
export const homePage = ({ version, address, mlflowPrefix, origin, log, parts, introspection }: HomePage): string => {
  const doors = [
    [
      'GraphQL, to try',
      introspection
        ? '<a href="/explorer">/explorer</a>: queries, subscriptions and the documentation of the schema'
        : '<a href="/explorer">/explorer</a>: without its documentation while KONTOR_INTROSPECTION is off',
    ],
    ['GraphQL', `<code>${escape(address)}/graphql</code>: HTTP, and subscriptions over WebSocket`],
    ['MLflow', `<code>MLFLOW_TRACKING_URI=${escape(address + mlflowPrefix)}</code>`],
    ['Health', '<a href="/health/ready">/health/ready</a>'],
  ];
  const questions = [...DEMO_QUERIES, ...questionsAt(log?.position ?? 0n)].map(({ title, query }) => {
    const readable = print(parse(query));
    return `<details><summary><a href="${explorerLink(readable)}">${escape(title)}</a></summary><pre>${escape(readable)}</pre></details>`;
  });
  const where = log
    ? `is at position <strong>${log.position}</strong>`
    : '<span class="down">cannot be read: the database does not answer</span>';
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Kontor</title><link rel="icon" href="data:,"><style>${STYLE}</style></head><body><h1>Kontor</h1>
<p>Version ${escape(version)}. The log <code>${escape(origin)}</code> ${where}.</p>
<h2>What runs</h2>${partsTable(parts)}${log ? readModelsPart(log) : ''}
<h2>Ways in</h2><table>${doors.map(([name = '', way = '']) => `<tr><td>${name}<td>${way}</tr>`).join('')}</table>
<h2>Questions to begin with</h2><p>Each opens in the explorer and is asked there.</p>${questions.join('')}
</body></html>`;
};
