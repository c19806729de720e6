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
  readonly position: string;
  readonly origin: string;
  readonly readModels: readonly {
    readonly projection: string;
    readonly position: string;
    readonly lagEvents: number;
  }[];
  readonly doors: readonly { readonly name: string; readonly path: string }[];
}

/** One plain page without scripts and without anything from the network. */
export const homePage = ({ version, position, origin, readModels, doors }: HomePage): string => `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Kontor</title><style>
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1a1a1a;background:#fff}
table{border-collapse:collapse}td,th{text-align:left;padding:.1rem 1rem .1rem 0}td.n{text-align:right}
pre{background:#f4f4f4;padding:.6rem;overflow:auto;font-size:13px}details{margin:.3rem 0}
@media(prefers-color-scheme:dark){body{color:#eee;background:#161616}pre{background:#222}a{color:#8ab4f8}}
</style></head><body><h1>Kontor ${escape(version)}</h1>
<p>The log <code>${escape(origin)}</code> is at position <strong>${escape(position)}</strong>.</p>
<h2>Doors</h2><ul>${doors.map(({ name, path }) => `<li><a href="${escape(path)}">${escape(path)}</a>: ${escape(name)}</li>`).join('')}</ul>
<h2>Questions to begin with</h2>${DEMO_QUERIES.map(
  ({ title, query }) =>
    `<details><summary><a href="/explorer?query=${encodeURIComponent(query)}">${escape(title)}</a></summary><pre>${escape(query)}</pre></details>`,
).join('')}
<h2>Read models</h2><table><tr><th>name<th>position<th>behind</tr>${readModels
  .map((one) => `<tr><td>${escape(one.projection)}<td class="n">${one.position}<td class="n">${one.lagEvents}</tr>`)
  .join('')}</table></body></html>`;
