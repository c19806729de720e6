import { describe, expect, it } from 'vitest';
import { type Json, type JsonObject, parseJson } from './json.js';
import { reportOf } from './span-report.js';
import { spanFileJson, valueJson } from './span-values.js';

const id = (char: string, bytes: number) => Buffer.from(char.repeat(2 * bytes), 'hex').toString('base64');
const text = (value: string): Json => ({ string_value: value });
const pairs = (values: Readonly<Record<string, Json>>) =>
  Object.entries(values).map(([key, value]) => ({ key, value }));
const object = (values: Readonly<Record<string, Json>>): Json => ({ kvlist_value: { values: pairs(values) } });
const array = (...values: Json[]): Json => ({ array_value: { values } });

const span = (values: Readonly<Record<string, Json>>, more: JsonObject = {}): JsonObject => ({
  ...{ trace_id: id('1', 16), span_id: id('2', 8), name: 'root', status: { code: 'STATUS_CODE_OK' } },
  ...{ start_time_unix_nano: 1785000000000999999n, end_time_unix_nano: 1785000000250000000n },
  attributes: pairs(values),
  ...more,
});
const child = (values: Readonly<Record<string, Json>> = {}, more: JsonObject = {}): JsonObject =>
  span(values, { span_id: id('3', 8), parent_span_id: id('2', 8), name: 'child', status: {}, ...more });

describe('a value of OpenTelemetry', () => {
  it('is the JSON that Python writes of it', () => {
    const value = object({
      ...{ é: text('"日"'), one: { int_value: 1 }, half: { double_value: 0.5 }, two: { double_value: 2 } },
      ...{
        no: { bool_value: false },
        nan: { double_value: 'NaN' },
        none: {},
        list: array(text('a'), { int_value: 2n ** 60n }),
      },
    });
    expect(valueJson(value)).toBe(
      '{"é": "\\"日\\"", "one": 1, "half": 0.5, "two": 2.0, "no": false, "nan": NaN, "none": null, "list": ["a", 1152921504606846976]}',
    );
    expect([valueJson(array()), valueJson(object({})), valueJson(undefined)]).toEqual(['[]', '{}', 'null']);
  });
});

describe('spans', () => {
  it('say when their trace was, how it went, who asked and what a search asks of each', () => {
    const root = span({ 'mlflow.spanType': text('CHAIN'), 'user.id': text('u1'), 'session.id': text('s1') });
    const early = child({}, { start_time_unix_nano: 1784999999000000000n, status: { code: 'STATUS_CODE_ERROR' } });
    expect(reportOf([early, root], undefined)).toEqual({
      ...{ requestTimeMs: 1784999999000, endTimeMs: 1785000000250, state: 'OK' },
      ...{ requestPreview: null, responsePreview: null, tags: [] },
      metadata: [
        { key: 'mlflow.trace.session', value: 's1' },
        { key: 'mlflow.trace.user', value: 'u1' },
      ],
      spans: [
        {
          ...{ spanId: '3'.repeat(16), parentSpanId: '2'.repeat(16), name: 'child', type: 'UNKNOWN', status: 'ERROR' },
          startTimeUnixNano: '1784999999000000000',
        },
        {
          ...{ spanId: '2'.repeat(16), parentSpanId: null, name: 'root', type: 'CHAIN', status: 'OK' },
          startTimeUnixNano: '1785000000000999999',
        },
      ],
    });
  });

  it('without their root leave open how it went, and while they run when it ended', () => {
    expect(reportOf([child({}, { end_time_unix_nano: 0 })], undefined)).toMatchObject({ state: null, endTimeMs: null });
    expect(reportOf([span({}, { status: { code: 'STATUS_CODE_ERROR' } })], undefined).state).toBe('ERROR');
    expect(reportOf([span({}, { status: {} })], undefined).state).toBe('OK');
  });

  it('show the beginning of what was asked and answered: of messages the last one', () => {
    const message = (role: string, content: Json) => object({ role: text(role), content });
    const asked = object({
      messages: array(
        message('user', text('first')),
        message('user', array(object({ type: text('text'), text: text('last') }))),
        message('assistant', text('no')),
      ),
    });
    const answered = object({ choices: array(object({ message: message('assistant', text('because')) })) });
    const previews = (inputs: Json, outputs: Json) => {
      const { requestPreview, responsePreview } = reportOf(
        [span({ 'mlflow.spanInputs': inputs, 'mlflow.spanOutputs': outputs })],
        undefined,
      );
      return [requestPreview, responsePreview];
    };
    expect(previews(asked, answered)).toEqual(['last', 'because']);
    expect(previews(object({ q: text('why') }), text('so'))).toEqual(['{"q": "why"}', '"so"']);
    expect(
      previews(
        object({ request: object({ input: array(message('user', text('in'))) }) }),
        object({ output: array(message('x', text('out'))) }),
      ),
    ).toEqual(['in', 'out']);
    const [long] = previews(text('x'.repeat(2000)), text(''));
    expect(long).toHaveLength(1000);
    expect(long?.endsWith('...')).toBe(true);
  });

  it('bring tags of who makes them and of themselves, but none of the system and none that could be no tag', () => {
    const resource = {
      attributes: pairs({
        'service.name': text('shop'),
        pid: { int_value: 7 },
        'telemetry.sdk.name': text('x'),
        'mlflow.x': text('x'),
        'a!': text('x'),
      }),
    };
    const root = span({
      'mlflow.traceTag.service.name': text('own'),
      'mlflow.traceTag.mlflow.trace.spansLocation': text('x'),
    });
    expect(reportOf([root], resource).tags).toEqual([
      { key: 'service.name', value: 'own' },
      { key: 'pid', value: '7' },
    ]);
  });

  it('are a file as MLflow writes it', () => {
    const whole = span(
      { 'mlflow.traceRequestId': text(`tr-${'1'.repeat(32)}`), n: { int_value: 5 } },
      {
        events: [{ name: 'token', time_unix_nano: 7, attributes: pairs({ a: text('b') }) }],
        links: [{ trace_id: id('4', 16), span_id: id('5', 8) }],
      },
    );
    expect(parseJson(spanFileJson(whole))).toEqual({
      ...{ trace_id: id('1', 16), span_id: id('2', 8), parent_span_id: null, name: 'root' },
      ...{ start_time_unix_nano: 1785000000000999999n, end_time_unix_nano: 1785000000250000000n },
      events: [{ name: 'token', time_unix_nano: 7, attributes: { a: 'b' } }],
      status: { code: 'STATUS_CODE_OK', message: '' },
      attributes: { 'mlflow.traceRequestId': `"tr-${'1'.repeat(32)}"`, n: '5' },
      links: [{ trace_id: `tr-${'4'.repeat(32)}`, span_id: '5'.repeat(16), attributes: null }],
    });
  });
});
