/** Queries that show something as soon as the platform runs; each opens in the explorer. */
const DEMO_QUERIES: readonly { readonly title: string; readonly query: string }[] = [
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
  registeredModels { nodes { name aliases { alias number } versions { nodes { number manifestDigest registeredBy } } } }
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
  {
    title: 'The last events, live',
    query: `subscription {
  events { ... on Event { position type stream actor recordedAt } ... on Heartbeat { position time } }
}`,
  },
  {
    title: 'The same question at a past position',
    query: `{
  before: at(position: "1") { position endpoints { nodes { endpoint } } }
  now: endpoints { nodes { endpoint } }
}`,
  },
];

const escape = (text: string): string =>
  text.replace(/[&<>"]/g, (character) => `&#${String(character.charCodeAt(0))};`);

export interface HomePage {
  readonly version: string;
  readonly address: string;
  readonly position: string;
  readonly origin: string;
  readonly services: readonly { readonly name: string; readonly answers: boolean }[];
  readonly readModels: readonly {
    readonly projection: string;
    readonly position: string;
    readonly lagEvents: number;
  }[];
}

const STYLE = `
body{font:16px/1.55 system-ui,sans-serif;max-width:62rem;margin:2.5rem auto;padding:0 1.25rem;color:#1c2128;background:#fff}
h1{margin:0}h2{font-size:1.1rem;margin:2rem 0 .5rem;border-bottom:1px solid #d0d7de;padding-bottom:.25rem}p{margin:.4rem 0}
table{border-collapse:collapse}td,th{text-align:left;padding:.15rem 1.5rem .15rem 0;vertical-align:top}.n{text-align:right}
.up{color:#1a7f37}.down{color:#cf222e;font-weight:600}a{color:#0550ae}
pre{background:#f6f8fa;padding:.7rem;overflow:auto;font-size:13px;border-radius:6px;white-space:pre-wrap}
details{margin:.35rem 0}summary{cursor:pointer}code{font-size:.9em}
@media(prefers-color-scheme:dark){body{color:#e6edf3;background:#0d1117}h2{border-color:#30363d}pre{background:#161b22}
a{color:#79c0ff}.up{color:#3fb950}.down{color:#ff7b72}}`;

const explorerLink = (query: string): string => `/explorer?query=${encodeURIComponent(query)}`;

const servicesTable = (services: HomePage['services']): string =>
  `<table>${services
    .map(({ name, answers }) => {
      const state = answers ? '<td class="up">runs' : '<td class="down">does not answer';
      return `<tr><td>${escape(name)}${state}</tr>`;
    })
    .join('')}</table>`;

const readModelsPart = (readModels: HomePage['readModels']): string => {
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
export const homePage = ({ version, address, position, origin, services, readModels }: HomePage): string => {
  const doors = [
    [
      'GraphQL, to try',
      '<a href="/explorer">/explorer</a>: queries, subscriptions and the documentation of the schema',
    ],
    ['GraphQL', `<code>${escape(address)}/graphql</code>: HTTP, and subscriptions over WebSocket`],
    ['MLflow', `<code>MLFLOW_TRACKING_URI=${escape(address)}</code>`],
    ['Health', '<a href="/health/ready">/health/ready</a>'],
  ];
  const questions = DEMO_QUERIES.map(
    ({ title, query }) =>
      `<details><summary><a href="${explorerLink(query)}">${escape(title)}</a></summary><pre>${escape(query)}</pre></details>`,
  );
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Kontor</title><style>${STYLE}</style></head><body><h1>Kontor</h1>
<p>Version ${escape(version)}. The log <code>${escape(origin)}</code> is at position <strong>${escape(position)}</strong>.</p>
<h2>What runs</h2>${servicesTable(services)}${readModelsPart(readModels)}
<h2>Ways in</h2><table>${doors.map(([name = '', way = '']) => `<tr><td>${name}<td>${way}</tr>`).join('')}</table>
<h2>Questions to begin with</h2><p>Each opens in the explorer and is asked there.</p>${questions.join('')}
</body></html>`;
};
