import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { describe, expect, it } from 'vitest';
import type { Json } from './json.js';
import { OtlpInvalid, readOtlpJson, readOtlpProtobuf } from './otlp-messages.js';

const bytes = (write: (writer: BinaryWriter) => unknown): Uint8Array => {
  const writer = new BinaryWriter();
  write(writer);
  return writer.finish();
};
const field = (writer: BinaryWriter, number: number, content: Uint8Array) =>
  writer.tag(number, WireType.LengthDelimited).bytes(content);
const text = (writer: BinaryWriter, number: number, value: string) =>
  writer.tag(number, WireType.LengthDelimited).string(value);

/** `{ key, value }` */
const pair = (key: string, value: (writer: BinaryWriter) => unknown): Uint8Array =>
  bytes((writer) => field(text(writer, 1, key), 2, bytes(value)));

const traceId = '5b8aa5a2d2c872e8321cf37308d69df2';
const spanId = '051581bf3cb55c13';

const SPAN = bytes((writer) => {
  field(writer, 1, Buffer.from(traceId, 'hex'));
  field(writer, 2, Buffer.from(spanId, 'hex'));
  text(writer, 5, 'répondre');
  writer.tag(6, WireType.Varint).int32(3);
  writer.tag(7, WireType.Bit64).fixed64('1785000000000000001');
  writer.tag(8, WireType.Bit64).fixed64('1785000000250000000');
  field(
    writer,
    9,
    pair('s', (value) => text(value, 1, 'text')),
  );
  field(
    writer,
    9,
    pair('b', (value) => value.tag(2, WireType.Varint).bool(true)),
  );
  field(
    writer,
    9,
    pair('i', (value) => value.tag(3, WireType.Varint).int64('-9007199254740993')),
  );
  field(
    writer,
    9,
    pair('d', (value) => value.tag(4, WireType.Bit64).double(1.5)),
  );
  field(
    writer,
    9,
    pair('n', (value) => value.tag(4, WireType.Bit64).double(NaN)),
  );
  field(
    writer,
    9,
    pair('l', (value) =>
      field(
        value,
        5,
        bytes((list) =>
          field(
            list,
            1,
            bytes((one) => text(one, 1, 'x')),
          ),
        ),
      ),
    ),
  );
  field(
    writer,
    9,
    pair('m', (value) =>
      field(
        value,
        6,
        bytes((list) =>
          field(
            list,
            1,
            pair('k', () => undefined),
          ),
        ),
      ),
    ),
  );
  field(
    writer,
    11,
    bytes((event) => text(event.tag(1, WireType.Bit64).fixed64('7'), 2, 'token')),
  );
  field(
    writer,
    13,
    bytes((link) => field(field(link, 1, Buffer.from(traceId, 'hex')), 2, Buffer.from(spanId, 'hex'))),
  );
  field(
    writer,
    15,
    bytes((status) => text(status, 2, 'so').tag(3, WireType.Varint).int32(2)),
  );
  // Fields of a later version, one of each kind.
  writer.tag(90, WireType.Varint).int32(1);
  writer.tag(91, WireType.Bit64).fixed64('1');
  writer.tag(92, WireType.Bit32).fixed32(1);
  text(writer, 93, 'later');
});
const request = (span: Uint8Array): Uint8Array =>
  bytes((writer) =>
    field(
      writer,
      1,
      bytes((part) => {
        field(
          part,
          1,
          bytes((resource) =>
            field(
              resource,
              1,
              pair('service.name', (value) => text(value, 1, 'shop')),
            ),
          ),
        );
        field(
          part,
          2,
          bytes((scope) => field(scope, 2, span)),
        );
      }),
    ),
  );

const base64 = (hex: string) => Buffer.from(hex, 'hex').toString('base64');
const READ = {
  resource_spans: [
    {
      resource: { attributes: [{ key: 'service.name', value: { string_value: 'shop' } }] },
      scope_spans: [
        {
          spans: [
            {
              ...{ trace_id: base64(traceId), span_id: base64(spanId), name: 'répondre', kind: 'SPAN_KIND_CLIENT' },
              ...{ start_time_unix_nano: 1785000000000000001n, end_time_unix_nano: 1785000000250000000n },
              attributes: [
                { key: 's', value: { string_value: 'text' } },
                { key: 'b', value: { bool_value: true } },
                { key: 'i', value: { int_value: -9007199254740993n } },
                { key: 'd', value: { double_value: 1.5 } },
                { key: 'n', value: { double_value: 'NaN' } },
                { key: 'l', value: { array_value: { values: [{ string_value: 'x' }] } } },
                { key: 'm', value: { kvlist_value: { values: [{ key: 'k', value: {} }] } } },
              ],
              events: [{ time_unix_nano: 7n, name: 'token' }],
              links: [{ trace_id: base64(traceId), span_id: base64(spanId) }],
              status: { message: 'so', code: 'STATUS_CODE_ERROR' },
            },
          ],
        },
      ],
    },
  ],
};

const JSON_SPAN = {
  ...{ traceId, spanId, name: 'répondre', kind: 3 },
  ...{ startTimeUnixNano: '1785000000000000001', endTimeUnixNano: '1785000000250000000' },
  attributes: [
    { key: 's', value: { stringValue: 'text' } },
    { key: 'b', value: { boolValue: true } },
    { key: 'i', value: { intValue: '-9007199254740993' } },
    { key: 'd', value: { doubleValue: 1.5 } },
    { key: 'n', value: { doubleValue: 'NaN' } },
    { key: 'l', value: { arrayValue: { values: [{ stringValue: 'x' }] } } },
    { key: 'm', value: { kvlistValue: { values: [{ key: 'k', value: {} }] } } },
  ],
  events: [{ timeUnixNano: 7, name: 'token' }],
  links: [{ traceId, spanId }],
  status: { message: 'so', code: 'STATUS_CODE_ERROR' },
  later: { than: 'this' },
};
const jsonRequest = (span: Json): Json => ({
  resourceSpans: [
    {
      resource: { attributes: [{ key: 'service.name', value: { stringValue: 'shop' } }] },
      scopeSpans: [{ spans: [span] }],
    },
  ],
});

describe('a request of OpenTelemetry', () => {
  it('is the same from protobuf and from JSON, and fields of later versions are passed over', () => {
    expect(readOtlpProtobuf(request(SPAN))).toEqual(READ);
    expect(readOtlpJson(jsonRequest(JSON_SPAN))).toEqual(READ);
    expect(readOtlpProtobuf(new Uint8Array())).toEqual({});
    expect(readOtlpJson({})).toEqual({});
  });

  it('may be in snake case, with null for what is absent', () => {
    expect(readOtlpJson({ resource_spans: [{ resource: null, scope_spans: [] }] })).toEqual({
      resource_spans: [{}],
    });
  });

  it('is refused where a message ends early or is longer than what holds it, at any byte', () => {
    const whole = request(SPAN);
    for (let length = 1; length < whole.length; length++)
      expect(() => readOtlpProtobuf(whole.subarray(0, length)), String(length)).toThrow(OtlpInvalid);
    expect(() => readOtlpProtobuf(Uint8Array.of(0x0a, 0x05, 0x12, 0x7f, 0x0a))).toThrow(OtlpInvalid);
    expect(() => readOtlpProtobuf(Uint8Array.of(0xff, 0xff))).toThrow(OtlpInvalid);
  });

  it('is refused when it is nested without an end', () => {
    let nested = bytes((value) => text(value, 1, 'x'));
    let json: Json = { stringValue: 'x' };
    for (let depth = 0; depth < 200; depth++) {
      const inner = nested;
      nested = bytes((value) =>
        field(
          value,
          5,
          bytes((list) => field(list, 1, inner)),
        ),
      );
      json = { arrayValue: { values: [json] } };
    }
    const span = bytes((writer) =>
      field(
        writer,
        9,
        bytes((attribute) => field(text(attribute, 1, 'k'), 2, nested)),
      ),
    );
    expect(() => readOtlpProtobuf(request(span))).toThrow('nested more than 100 times');
    expect(() => readOtlpJson(jsonRequest({ attributes: [{ key: 'k', value: json }] }))).toThrow('nested more than');
  });

  it.each<[string, Json]>([
    ['resourceSpans.scopeSpans.spans.traceId cannot be "zz"', { traceId: 'zz' }],
    ['resourceSpans.scopeSpans.spans.traceId cannot be "abc"', { traceId: 'abc' }],
    ['resourceSpans.scopeSpans.spans.name cannot be 5', { name: 5 }],
    ['resourceSpans.scopeSpans.spans.startTimeUnixNano cannot be "soon"', { startTimeUnixNano: 'soon' }],
    ['resourceSpans.scopeSpans.spans.startTimeUnixNano cannot be -1', { startTimeUnixNano: -1 }],
    ['resourceSpans.scopeSpans.spans.startTimeUnixNano cannot be 1.5', { startTimeUnixNano: 1.5 }],
    ['spans.attributes cannot be {}', { attributes: {} }],
    ['spans.attributes.value.intValue cannot be', { attributes: [{ value: { intValue: '9223372036854775808' } }] }],
    ['spans.attributes.value.boolValue cannot be "yes"', { attributes: [{ value: { boolValue: 'yes' } }] }],
    ['spans.attributes.value.doubleValue cannot be "much"', { attributes: [{ value: { doubleValue: 'much' } }] }],
    ['spans.attributes cannot be 5', { attributes: [5] }],
    ['spans.status cannot be []', { status: [] }],
  ])('says that %s', (says, span) => {
    expect(() => readOtlpJson(jsonRequest(span))).toThrow(says);
  });

  it('is no text or list', () => {
    for (const json of ['x', [], null, 5]) expect(() => readOtlpJson(json)).toThrow(OtlpInvalid);
  });
});
