/** Where Kontor answers otherwise than MLflow on purpose: what MLflow does, and what Kontor does. */
export const differences: readonly (readonly [mlflow: string, kontor: string])[] = [
  [
    'Faults of a request are 500 in places (a JSON array as body, a duplicate order field, archiving with an inactive stage, renaming a deleted experiment), and clients repeat a 500.',
    '400, with the same `error_code` and message where MLflow has one.',
  ],
  ['Some messages end with the text of the database.', 'They end before it.'],
  ['404 and 405 are HTML.', 'JSON with `ENDPOINT_NOT_FOUND`.'],
  ['`log-batch` may be half done.', 'All or nothing.'],
  ['A model that is created again under a deleted name begins at version 1.', 'Its numbers go on.'],
  ['Deleting removes or redacts rows.', 'It hides; the log keeps everything.'],
  ['Versions found by a search have no aliases, and `model_id` is never returned.', 'Both are there.'],
  ['`user_id` of models and versions is never set.', 'It is the authenticated principal.'],
  ['`max_results=0` of a model search answers a token for the same page.', '400.'],
  ['A run without an experiment is an error of the database.', '400 that names `experiment_id`.'],
  ['Everything can be deleted and overwritten.', '409 `RESOURCE_CONFLICT` for what serves traffic or is registered.'],
  ['Page tokens are offsets.', 'They belong to one filter, order and position: pages neither skip nor repeat.'],
  [
    'Lengths are left to the database; a body has no limit.',
    'Limits of its own with `... exceeds the maximum length of ... characters`; 413 for a body above 16 MiB.',
  ],
  [
    'Logged models have no largest page; an equal param logged again is an error of the database.',
    'At most 50,000; an equal param changes nothing.',
  ],
  ['A scorer that is registered again after its deletion begins at version 1.', 'Its numbers go on.'],
  [
    '`created_by` and `last_updated_by` of an evaluation dataset and its records are a tag of the client.',
    'They are the authenticated principal.',
  ],
  [
    'A batch of records that says what is known gives an evaluation dataset another digest and time.',
    'Both stay, because nothing changed. A record that was deleted and comes again has its id again.',
  ],
  [
    'All records of a request are one transaction.',
    'Above some 500 kB they are several, in their order; the whole request is checked before the first. A record has at most 200 kB.',
  ],
  [
    'Metadata of an assessment grows without an end, and a scorer counts by its characters alone.',
    '400 for an assessment with its metadata, or a `serialized_scorer`, of more than 200,000 bytes as JSON.',
  ],
  [
    'An evaluation dataset may be created in an experiment that does not exist.',
    '404, as for one that is added later.',
  ],
  ['A create that a client repeats makes two.', 'One, where the repeat can be told: see below.'],
  ['Setting and deleting tags and aliases always writes.', 'Nothing is appended when nothing changes.'],
  ['`user_id` and the tags `mlflow.user` and `mlflow.source.name` can be searched.', '400: they are stored encrypted.'],
  [
    'A value of the wrong type inside of a list or of a nested message may be dropped, with every field after it.',
    '400 that names the field. Nested fields that must be there are named too: `params[0].key`.',
  ],
  [
    'A text with U+0000 is refused by whatever meets it first.',
    '400 `Invalid value for parameter ... supplied: it holds the character U+0000.`',
  ],
  [
    'Ids of logged models are any text in `log-inputs`; elsewhere an unknown one is an error of the database.',
    '400 unless it is `m-` and 32 hex digits.',
  ],
  ['A second value of a logged model at the same time and step is an error of the database.', 'It is one more point.'],
  ['Times and steps have 64 bits.', '400 beyond 2^53 - 1, which no client reaches.'],
  ['An unknown status finalizes a logged model as if nothing was said.', '400 with the names that are allowed.'],
  [
    'Ids of experiments are counted over all workspaces, and only `default` has experiment 0.',
    'Each workspace has its own experiment 0, `Default`, and counts its own from 1.',
  ],
  [
    'With workspaces on, `artifact_location` is refused; else a relative one begins at the working directory of the server.',
    'It is kept as it is given.',
  ],
  ['The folder of an experiment can be deleted through the artifact proxy.', '400 `Invalid path`.'],
  [
    'A download has whatever media type its name suggests, also pages and SVG pictures.',
    'Texts, pictures, sound, film and PDF have theirs; all else is `application/octet-stream`: a stored script never runs here.',
  ],
  ['A media type is compared by its letters.', 'By its meaning: `APPLICATION/JSON` is JSON too.'],
  [
    'Filters name every token that they do not understand, and take no SQL keyword as a key without quotes.',
    'They name the first one, and take it.',
  ],
  [
    'Clients may set and delete the tag `mlflow.artifactLocation` of a trace.',
    '400, as for the other tags that say where parts of a trace are; left out where a trace begins with them.',
  ],
  [
    'A trace that was deleted begins anew with the next request that names it.',
    'It stays deleted: 404 with `Trace with ID ... not found.`',
  ],
  ['Answers cut metadata of traces to 250 characters and tags to 4,096.', 'They show what is kept: up to 8,000.'],
  [
    'Filters on traces search in the text of spans: `trace.text`, `span.attributes.*`.',
    '400: spans are kept by digest in the content store, and a search knows their name, type and status.',
  ],
  [
    'A filter on feedback finds also the other traces of a session, if the feedback names the session.',
    'It finds the trace that the feedback is about.',
  ],
  [
    'Attributes of spans in the words of other libraries are translated to its own, and token counts and costs of spans are added up.',
    'Spans are kept as they came. Token counts and costs of a trace are what its client says.',
  ],
  [
    'Faults of `/v1/traces` are `{"detail": ...}`. Its answer is protobuf also to JSON.',
    'As all other faults. JSON is answered with JSON.',
  ],
  [
    'A run that is unknown is no fault of `link-to-run` and of the header `x-mlflow-run-id`.',
    '404 `Run with id=... not found`.',
  ],
  ['Times and durations of traces that are none count as absent.', '400 that names the field.'],
  ['`/graphql` is the graph of its page, which is served at `/`.', "Kontor's own graph and page."],
  [
    'Users, roles and grants of the basic-auth extension.',
    'Not served: `docs/how-to/workspaces.md` says who may do what. Clients that can only send Basic give a token as the password.',
  ],
];
