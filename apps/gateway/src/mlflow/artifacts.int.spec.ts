import { createHash, randomBytes } from 'node:crypto';
import { chmod, readdir, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { artifactFile } from '@kontor/artifact-store';
import { registry } from '@kontor/domain/registry';
import { connectNats } from '@kontor/messaging';
import { eventually, holdAppends, missingS3, prng, type TestS3, testS3 } from '@kontor/testing';
import type { NatsConnection } from '@nats-io/transport-node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestGateway, type TestGateway } from '../gateway.fixture.js';

let gateway: TestGateway;
let run: string;
let loggedModel: string;
/** Of the run's files, below the proxy. */
let root: string;

const PROXY = '/api/2.0/mlflow-artifacts';
const call = (path: string, init: RequestInit = {}) => fetch(`${gateway.server.url}${path}`, init);
const file = (path: string, init: RequestInit = {}) => call(`${PROXY}/artifacts/${root}/${path}`, init);
const put = (path: string, body: string | Buffer) => file(path, { method: 'PUT', body });
const post = (path: string, body: object, headers: Readonly<Record<string, string>> = {}) =>
  call(path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- answers of many shapes
const made = async (path: string, body: object, prefix = ''): Promise<any> => {
  const answer = await post(`${prefix}/api/2.0/mlflow/${path}`, body);
  expect(answer.status, path).toBe(200);
  return answer.json();
};
const refusal = async (answer: Response) => ({
  status: answer.status,
  ...((await answer.json()) as { error_code: string; message: string } satisfies object),
});
const digestOf = (bytes: string | Buffer) => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
const byPath = (a: object, b: object) => (String(Object.values(a)[0]) < String(Object.values(b)[0]) ? -1 : 1);
const head = () => gateway.server.gateway.log.head();

const prepare = async (): Promise<void> => {
  const { experiment_id } = await made('experiments/create', { name: 'files' });
  run = (await made('runs/create', { experiment_id })).run.info.run_id as string;
  root = `${experiment_id}/${run}/artifacts`;
  loggedModel = (await made('logged-models', { experiment_id, name: 'm' })).model.info.model_id as string;
  await call(`${PROXY}/artifacts/${experiment_id}/models/${loggedModel}/artifacts/MLmodel`, {
    method: 'PUT',
    body: 'yes',
  });
};

/** What holds wherever the bytes lie. */
const anyStore = (): void => {
  it('answers a file with its digest as tag: whole, in ranges, as headers alone, and not to who has it', async () => {
    await put('a/é.txt', 'hello');
    const etag = `"${digestOf('hello')}"`;
    const whole = await file('a/é.txt');
    expect([whole.status, await whole.text()]).toEqual([200, 'hello']);
    expect(Object.fromEntries(whole.headers)).toMatchObject({
      etag,
      'accept-ranges': 'bytes',
      'content-length': '5',
      'content-type': 'text/plain',
      'content-disposition': `attachment; filename=e.txt; filename*=UTF-8''%C3%A9.txt`,
      'x-content-type-options': 'nosniff',
    });
    const ask = async (headers: Readonly<Record<string, string>>, method = 'GET') => {
      const answer = await file('a/é.txt', { method, headers });
      return [answer.status, await answer.text(), answer.headers.get('content-range')];
    };
    expect(await ask({ range: 'bytes=1-2' })).toEqual([206, 'el', 'bytes 1-2/5']);
    expect(await ask({ range: 'bytes=3-' })).toEqual([206, 'lo', 'bytes 3-4/5']);
    expect(await ask({ range: 'bytes=-1' })).toEqual([206, 'o', 'bytes 4-4/5']);
    expect(await ask({ range: 'bytes=5-' })).toEqual([416, '', 'bytes */5']);
    // A download that broke off goes on with the same bytes, and begins again with others.
    expect(await ask({ range: 'bytes=3-', 'if-range': etag })).toEqual([206, 'lo', 'bytes 3-4/5']);
    expect(await ask({ range: 'bytes=3-', 'if-range': '"other"' })).toEqual([200, 'hello', null]);
    expect(await ask({ 'if-none-match': `"other", W/${etag}` })).toEqual([304, '', null]);
    expect(await ask({ 'if-none-match': '"other"' })).toEqual([200, 'hello', null]);
    expect(await ask({}, 'HEAD')).toEqual([200, '', null]);
    const headers = await file('a/é.txt', { method: 'HEAD' });
    expect([headers.headers.get('content-length'), headers.headers.get('etag')]).toEqual(['5', etag]);
    expect((await file('none', { method: 'HEAD' })).status).toBe(404);
  });

  it('gives the files of runs, logged models and versions by the doors of the page too', async () => {
    await put('model/decision-table.json', '{}');
    const text = async (path: string) => {
      const answer = await call(path);
      return [answer.status, await answer.text()];
    };
    for (const id of [`run_id=${run}`, `run_uuid=${run}`])
      expect(await text(`/get-artifact?${id}&path=model/decision-table.json`)).toEqual([200, '{}']);
    expect(
      await text(`/ajax-api/2.0/mlflow/logged-models/${loggedModel}/artifacts/files?artifact_file_path=MLmodel`),
    ).toEqual([200, 'yes']);
    await made('registered-models/create', { name: 'rules' });
    await made('model-versions/create', { name: 'rules', source: `runs:/${run}/model`, run_id: run });
    const ofVersion = (path: string) => `/model-versions/get-artifact?name=rules&version=1&path=${path}`;
    expect(await text(ofVersion('decision-table.json'))).toEqual([200, '{}']);
    const missing = { status: 404, error_code: 'RESOURCE_DOES_NOT_EXIST', message: "No such artifact: 'nope'" };
    for (const path of [
      ofVersion('nope'),
      `/get-artifact?run_id=${run}&path=nope`,
      `/ajax-api/2.0/mlflow/logged-models/${loggedModel}/artifacts/files?artifact_file_path=nope`,
    ])
      expect(await refusal(await call(path)), path).toMatchObject(missing);
    expect(await refusal(await call(`/get-artifact?run_id=${run}&path=model`))).toMatchObject({
      status: 400,
      message: "Artifact path refers to a directory, not a file: 'model'",
    });
  });

  // As MLflow 3.18.0 answers each of them, but for markup.
  it.each([
    ['notes.MD', 'text/plain', 'notes.MD'],
    ['MLmodel', 'text/plain', 'MLmodel'],
    ['script.js', 'text/plain', 'script.js'],
    ['page.html', 'application/octet-stream', 'page.html'],
    ['page.svg', 'application/octet-stream', 'page.svg'],
    ['model.pkl', 'application/octet-stream', 'model.pkl'],
    ['dog+step+20.png', 'image/png', 'dog+step+20.png'],
    ['report 1.pdf', 'application/pdf', '"report 1.pdf"'],
    ['q".txt', 'text/plain', '"q\\".txt"'],
    ['é (1).txt', 'text/plain', `"e (1).txt"; filename*=UTF-8''%C3%A9%20%281%29.txt`],
    ['日本', 'application/octet-stream', `download; filename*=UTF-8''%E6%97%A5%E6%9C%AC`],
  ])('says of %s what it is and how it is called', async (name, type, filename) => {
    await put(encodeURIComponent(name), 'x');
    const { headers } = await file(encodeURIComponent(name), { method: 'HEAD' });
    expect([headers.get('content-type'), headers.get('content-disposition')]).toEqual([
      type,
      `attachment; filename=${filename}`,
    ]);
  });

  it('keeps files that lie at the root itself', async () => {
    const at = (path: string, init: RequestInit = {}) => call(`${PROXY}/artifacts${path}`, init);
    const files = async (query = '') => ((await (await at(query)).json()) as { files?: readonly object[] }).files;
    const before = (await files()) ?? [];
    expect((await at('/a.txt', { method: 'PUT', body: 'one' })).status).toBe(200);
    expect((await at('/shelf/b.txt', { method: 'PUT', body: 'two' })).status).toBe(200);
    expect(await (await at('/a.txt')).text()).toBe('one');
    const a = { path: 'a.txt', is_dir: false, file_size: 3 };
    expect(await files()).toEqual([...before, a, { path: 'shelf', is_dir: true }].sort(byPath));
    expect(await files('?path=shelf')).toEqual([{ ...a, path: 'b.txt' }]);
    expect(await refusal(await at('/shelf'))).toMatchObject({ status: 400 });
    expect(await refusal(await at('/shelf', { method: 'DELETE' }))).toMatchObject({ status: 400 });
    for (const path of ['/a.txt', '/shelf/b.txt']) expect((await at(path, { method: 'DELETE' })).status).toBe(200);
    expect((await files()) ?? []).toEqual(before);
  });

  it('takes notes and pictures of the page, up to 10 MB', async () => {
    const form = (query: string, body: string | Buffer) =>
      call(`/ajax-api/2.0/mlflow/upload-artifact?${query}`, { method: 'POST', body });
    const { status, headers } = await form(`run_uuid=${run}&path=notes/n.md`, 'a note');
    expect([status, headers.get('content-type')]).toEqual([200, 'application/json; charset=utf-8']);
    expect((await form(`run_id=${run}&path=notes/o.md`, 'another one')).status).toBe(200);
    expect(await (await file('notes/n.md')).text()).toBe('a note');
    const before = await head();
    for (const [query, body, message] of [
      [`path=n.md`, 'x', 'Request must specify run_id or run_uuid.'],
      [`run_uuid=${run}`, 'x', 'Request must specify path.'],
      [`run_uuid=${run}&path=../n.md`, 'x', 'Invalid path'],
      [`run_uuid=${run}&path=n.md`, '', 'Request must specify data.'],
      [
        `run_uuid=${run}&path=n.md`,
        Buffer.alloc(10 * 1024 * 1024 + 1),
        'Artifact size is too large. Max size is 10MB.',
      ],
    ] as const)
      expect(await refusal(await form(query, body))).toMatchObject({ status: 400, message });
    expect(await refusal(await form(`run_uuid=${'0'.repeat(32)}&path=n.md`, 'x'))).toMatchObject({ status: 404 });
    expect(await head()).toBe(before);
  });

  it('keeps one file and one event of the same bytes that come at once, and one of different ones', async () => {
    const before = await head();
    const same = await Promise.all(Array.from({ length: 6 }, () => put('same.txt', 'same')));
    expect(same.map(({ status }) => status)).toEqual(same.map(() => 200));
    expect((await head()) - before).toBe(1n);
    const different = await Promise.all(['one', 'two', 'three'].map((text) => put('different.txt', text)));
    expect(different.map(({ status }) => status)).toEqual([200, 200, 200]);
    const left = await file('different.txt');
    expect(left.headers.get('etag')).toBe(`"${digestOf(await left.text())}"`);
  });

  it.each([
    ['with a length', 'content-length: 1000', 'half'],
    ['in chunks', 'transfer-encoding: chunked', '4\r\nhalf\r\n'],
  ])('keeps nothing of an upload %s that is cut', async (_, header, half) => {
    const before = await head();
    const { hostname, port } = new URL(gateway.server.url);
    const socket = connect(Number(port), hostname);
    const request = [`PUT ${PROXY}/artifacts/${root}/cut.txt HTTP/1.1`, `host: ${hostname}`, header, '', half];
    await new Promise<void>((resolve) => socket.write(request.join('\r\n'), () => resolve()));
    socket.destroy();
    // Another upload, begun later, is through: so is the one that was cut.
    await put('after.txt', half);
    expect(await refusal(await file('cut.txt'))).toMatchObject({ status: 404 });
    expect((await head()) - before).toBe(1n);
  });

  it('keeps a file whose name is as long as it may be, and lists it', async () => {
    // 1,024 bytes that PostgreSQL can compress little: in a key as it was they are too long for an index.
    const chance = prng(4711);
    let name = '';
    while (Buffer.byteLength(name) < 1021) name += String.fromCodePoint(0x100 + Math.floor(chance() * 0xd000));
    const asked = `path=${encodeURIComponent(name)}`;
    const form = `/ajax-api/2.0/mlflow/upload-artifact?run_uuid=${run}&${asked}`;
    expect((await call(form, { method: 'POST', body: 'long' })).status).toBe(200);
    expect(await (await call(`/get-artifact?run_id=${run}&${asked}`)).text()).toBe('long');
    const { files } = (await (await call(`/api/2.0/mlflow/artifacts/list?run_id=${run}`)).json()) as {
      files: { path: string }[];
    };
    expect(files.map(({ path }) => path)).toContain(name);
    expect(await refusal(await put('x'.repeat(1025), 'x'))).toMatchObject({
      status: 400,
      message: "'path' exceeds the maximum length of 1024 bytes",
    });
  });

  it('shows nothing of it in another workspace', async () => {
    await post('/api/3.0/mlflow/workspaces', { name: 'team-b' });
    await put('secret.txt', 'secret');
    for (const path of [
      `/get-artifact?run_id=${run}&path=secret.txt`,
      `/model-versions/get-artifact?name=rules&version=1&path=decision-table.json`,
      `/ajax-api/2.0/mlflow/logged-models/${loggedModel}/artifacts/files?artifact_file_path=MLmodel`,
    ]) {
      expect(await refusal(await call(`/workspaces/team-b${path}`)), path).toMatchObject({ status: 404 });
      expect(await refusal(await call(path, { headers: { 'x-mlflow-workspace': 'team-b' } })), path).toMatchObject({
        status: 404,
      });
    }
    const before = await head();
    const form = await call(`/workspaces/team-b/ajax-api/2.0/mlflow/upload-artifact?run_uuid=${run}&path=x`, {
      method: 'POST',
      body: 'x',
    });
    expect(await refusal(form)).toMatchObject({ status: 404 });
    expect(await head()).toBe(before);
  });
};

const flags = async () => {
  const info = (await (await call('/api/3.0/mlflow/server-info')).json()) as Record<string, unknown>;
  return [info['multipart_uploads_enabled'], info['multipart_downloads_enabled']];
};

describe('files on disk', () => {
  beforeAll(async () => {
    gateway = await startTestGateway({ services: [registry] });
    await prepare();
  });
  afterAll(() => gateway.stop());

  anyStore();

  const incoming = async () => {
    const entries = await readdir(`${gateway.keysDir}/incoming`, { recursive: true, withFileTypes: true });
    return entries.filter((entry) => entry.isFile()).length;
  };

  it('leave nothing of what was cut behind', async () => {
    await eventually(async () => (await incoming()) === 0);
  });

  it('of a version that is registered while they come stay what they were', async () => {
    await put('late/a.txt', 'first');
    let finish = (): void => undefined;
    const body = new ReadableStream({
      start: (controller) => {
        controller.enqueue(Buffer.from('sec'));
        finish = () => {
          controller.enqueue(Buffer.from('ond'));
          controller.close();
        };
      },
    });
    const upload = file('late/a.txt', { method: 'PUT', body, duplex: 'half' } as RequestInit);
    await eventually(async () => (await incoming()) === 1);
    await made('registered-models/create', { name: 'late' });
    await made('model-versions/create', { name: 'late', source: `runs:/${run}/late`, run_id: run });
    finish();
    expect(await refusal(await upload)).toMatchObject({
      status: 409,
      message: 'Artifacts of model version late/1 cannot be changed.',
    });
    expect(await (await file('late/a.txt')).text()).toBe('first');
  });

  it('are not taken for whole where the stored bytes were edited, cut or lost', async () => {
    const stored = async (path: string, content: Buffer | string) => {
      await put(path, content);
      const { artifacts } = gateway.server.gateway.config;
      const at = artifactFile(artifacts.kind === 'disk' ? artifacts.directory : '', digestOf(content));
      await chmod(at, 0o600);
      return at;
    };
    const damaged = { status: 500, error_code: 'DATA_LOSS' };
    const short = await stored('edited/short.txt', 'genuine weights');
    await writeFile(short, 'poisoned weight');
    expect(await refusal(await file('edited/short.txt'))).toMatchObject(damaged);
    await writeFile(short, 'cut');
    expect(await refusal(await file('edited/short.txt'))).toMatchObject(damaged);
    await rm(short);
    expect(await refusal(await file('edited/short.txt'))).toMatchObject(damaged);

    const long = randomBytes(1_000_000);
    const at = await stored('edited/long.bin', long);
    expect(Buffer.from(await (await file('edited/long.bin')).arrayBuffer()).equals(long)).toBe(true);
    long[999_999] = (long[999_999] ?? 0) ^ 1;
    await writeFile(at, long);
    const answer = await file('edited/long.bin');
    expect(answer.status).toBe(200);
    await expect(answer.arrayBuffer()).rejects.toThrow('terminated');
  });

  it('are no folder too, and a folder of runs is no file', async () => {
    await put('both/a.txt', 'a');
    const experiment = root.split('/')[0] ?? '';
    for (const path of [`${root}/both`, `${root}/both/a.txt/b`, experiment, root.slice(0, root.lastIndexOf('/'))]) {
      const answer = await call(`${PROXY}/artifacts/${path}`, { method: 'PUT', body: 'x' });
      expect(await refusal(answer), path).toMatchObject({ status: 400, error_code: 'INVALID_PARAMETER_VALUE' });
    }
  });

  describe.each(['run', 'logged model'])('of a version that is made of a %s', (of) => {
    let nc: NatsConnection;
    beforeAll(async () => {
      nc = await connectNats(gateway.natsUrl, 'spec');
    });
    afterAll(() => nc.close());

    it.each([
      ['PUT', 'first'],
      ['PUT', 'second'],
      ['DELETE', 'first'],
      ['DELETE', 'second'],
    ])('stay what its manifest says: a %s at the same moment comes %s', async (method, place) => {
      const name = `${of} ${method} ${place}`;
      const model = (await made('logged-models', { experiment_id: root.split('/')[0], name: 'm' })).model.info;
      const folder = of === 'run' ? `${root}/${name.replaceAll(' ', '-')}` : String(model.artifact_uri).split(':/')[1];
      const at = (init: RequestInit = {}) => call(`${PROXY}/artifacts/${folder}/a.txt`, init);
      await at({ method: 'PUT', body: 'before' });
      await made('registered-models/create', { name });
      const version = { name, source: `mlflow-artifacts:/${folder}` };
      const requests = [
        () => at({ method, ...(method === 'PUT' && { body: 'after' }) }),
        () =>
          post('/api/2.0/mlflow/model-versions/create', {
            ...version,
            ...(of === 'run' ? { run_id: run } : { model_id: model.model_id }),
          }),
      ];
      if (place === 'second') requests.reverse();
      const held = await holdAppends(gateway.adminUrl, 'registry');
      const answers: Promise<Response>[] = [];
      for (const request of requests) {
        // Its command is on its way: all that it rests on was read.
        const commands = nc.subscribe('kontor.cmd.registry.*', { max: 1 });
        await nc.flush();
        answers.push(request());
        for await (const _ of commands);
      }
      await held.waited();
      await held.release();
      const statuses = (await Promise.all(answers)).map(({ status }) => status);
      // A registration that comes second is of what is there then; of nothing, if that was removed.
      expect(statuses).toEqual(place === 'first' ? [200, 200] : [200, 409]);
      const own = await call(`/model-versions/get-artifact?name=${encodeURIComponent(name)}&version=1&path=a.txt`);
      const there = await at();
      expect([own.status, await own.text()].slice(0, own.ok ? 2 : 1)).toEqual(
        [there.status, await there.text()].slice(0, there.ok ? 2 : 1),
      );
      expect(await (await at()).text()).toMatch(place === 'second' ? 'before' : method === 'PUT' ? 'after' : 'No such');
    });
  });

  it('come and go through the gateway alone', async () => {
    expect(await flags()).toEqual([false, false]);
    const step = { path: 'x', upload_id: 'u', parts: [{ part_number: 1, etag: 'e' }] };
    for (const name of ['create', 'complete', 'abort'])
      expect(await refusal(await post(`${PROXY}/mpu/${name}/${root}`, step))).toEqual({
        status: 501,
        error_code: 'NOT_IMPLEMENTED',
        message: 'Multipart upload is not supported for the current artifact repository',
      });
    expect(await refusal(await call(`${PROXY}/presigned/${root}/a.txt`))).toEqual({
      status: 501,
      error_code: 'NOT_IMPLEMENTED',
      message: 'Multipart download is not supported for the current artifact repository',
    });
  });
});

const noS3 = missingS3();

describe.skipIf(noS3)('files in a bucket', () => {
  let s3: TestS3;
  beforeAll(async () => {
    s3 = await testS3();
    gateway = await startTestGateway({
      services: [registry],
      environment: {
        KONTOR_ARTIFACTS_DIR: undefined,
        KONTOR_ARTIFACTS_S3_BUCKET: await s3.makeBucket(),
        KONTOR_ARTIFACTS_S3_ENDPOINT: s3.url,
        KONTOR_ARTIFACTS_S3_ACCESS_KEY_ID: 'kontor',
        KONTOR_ARTIFACTS_S3_SECRET_ACCESS_KEY: 'secret',
      },
    });
    await prepare();
  });
  afterAll(async () => {
    await gateway.stop();
    await s3.stop();
  });

  anyStore();

  const begin = async (folder: string, path: string, num_parts = 1) => {
    const answer = await post(`${PROXY}/mpu/create/${folder}`, { path, num_parts });
    expect(answer.status).toBe(200);
    const { upload_id, credentials } = (await answer.json()) as {
      upload_id: string;
      credentials: { url: string; part_number: number; headers?: object }[];
    };
    return { upload_id, credentials };
  };
  const sendPart = async (url: string, body: Buffer) => {
    const { headers } = await fetch(url, { method: 'PUT', body });
    return headers.get('etag');
  };

  it('come in parts, past the gateway, and are files when they are complete', async () => {
    expect(await flags()).toEqual([true, true]);
    const PART_BYTES = 5 * 1024 * 1024;
    const bytes = randomBytes(PART_BYTES + 7);
    // Older clients name their own file.
    const { upload_id, credentials } = await begin(`${root}/large`, 'C:\\data\\weights.bin', 2);
    expect(credentials.map(({ part_number }) => part_number)).toEqual([1, 2]);
    const parts = await Promise.all(
      credentials.map(async ({ url, part_number }) => ({
        part_number,
        etag: await sendPart(url, bytes.subarray((part_number - 1) * PART_BYTES, part_number * PART_BYTES)),
        url,
      })),
    );
    expect(await refusal(await file('large/weights.bin'))).toMatchObject({ status: 404 });
    const before = await head();
    const complete = { path: '/tmp/weights.bin', upload_id, parts };
    for (let times = 0; times < 2; times += 1) {
      const answer = await post(`${PROXY}/mpu/complete/${root}/large`, complete);
      expect([answer.status, await answer.text()]).toEqual([200, '{}']);
    }
    expect((await head()) - before).toBe(1n);
    const whole = await file('large/weights.bin');
    expect(whole.headers.get('etag')).toBe(`"${digestOf(bytes)}"`);
    expect(Buffer.from(await whole.arrayBuffer()).equals(bytes)).toBe(true);
    const headers = { 'Kontor-As-Of': String(await head()) };
    const answer = await call(`${PROXY}/presigned/${root}/large/weights.bin`, { headers });
    expect(answer.headers.get('cache-control'), 'the link expires').toBe('no-store');
    const link = (await answer.json()) as { url: string; headers: object; file_size: number };
    expect(link).toMatchObject({ headers: {}, file_size: bytes.length });
    const range = await fetch(link.url, { headers: { range: `bytes=${PART_BYTES}-` } });
    expect(Buffer.from(await range.arrayBuffer()).equals(bytes.subarray(PART_BYTES))).toBe(true);
  });

  it('are begun for one file, and become no other one', async () => {
    const { upload_id, credentials } = await begin(root, 'mine.bin');
    const parts = [{ part_number: 1, etag: await sendPart(credentials[0]?.url ?? '', Buffer.from('x')) }];
    const before = await head();
    const complete = (prefix: string, path: string) =>
      post(`${prefix}${PROXY}/mpu/complete/${root}`, { path, upload_id, parts });
    const unknown = { status: 404, error_code: 'RESOURCE_DOES_NOT_EXIST', message: 'there is no such upload' };
    expect(await refusal(await complete('', 'other.bin'))).toMatchObject(unknown);
    expect(await refusal(await complete('/workspaces/team-b', 'mine.bin'))).toMatchObject(unknown);
    expect(await head()).toBe(before);
    const aborted = await post(`${PROXY}/mpu/abort/${root}`, { path: 'mine.bin', upload_id });
    expect([aborted.status, await aborted.text()]).toEqual([200, '{}']);
    expect(await refusal(await complete('', 'mine.bin'))).toMatchObject(unknown);
  });

  it.each([
    [{ path: 'x', num_parts: 0 }, 'num_parts must be between 1 and 10000, but got 0.'],
    [{ path: 'x', num_parts: 10_001 }, 'num_parts must be between 1 and 10000, but got 10001.'],
    [{ path: '..', num_parts: 1 }, 'Invalid path'],
    [{ num_parts: 1 }, "Missing value for required parameter 'path'."],
  ])('refuse to begin with %j', async (body, message) => {
    expect(await refusal(await post(`${PROXY}/mpu/create/${root}`, body))).toMatchObject({
      status: 400,
      message: expect.stringContaining(message) as string,
    });
  });

  it('of a registered version cannot be changed in parts either', async () => {
    expect(await refusal(await post(`${PROXY}/mpu/create/${root}/model`, { path: 'x', num_parts: 1 }))).toMatchObject({
      status: 409,
      message: 'Artifacts of model version rules/1 cannot be changed.',
    });
  });

  it('are said to be away while the storage is', async () => {
    await s3.stop();
    for (const answer of [await put('away.txt', 'x'), await file('same.txt')])
      expect(await refusal(answer)).toMatchObject({ status: 503, error_code: 'TEMPORARILY_UNAVAILABLE' });
  });
});
