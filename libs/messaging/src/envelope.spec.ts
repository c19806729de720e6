import { describe, expect, it } from 'vitest';
import { fromMessage, type StoredEvent, toMessage, toRecorded } from './envelope.js';
import { BadMessage } from './errors.js';

const stored: StoredEvent = {
  position: 9_007_199_254_740_993n,
  eventId: '0190a0b0-0000-7000-8000-000000000001',
  streamId: 'default/registry/run/a%20b',
  version: 9_007_199_254_740_995n,
  type: 'MetricsLogged',
  schemaVersion: 1,
  workspace: 'default',
  actor: 'ädä, 50 %\r\nInjected: yes',
  commandId: '0190a0b0-0000-7000-8000-000000000002',
  recordedAt: '2026-06-01T12:00:00.123456Z',
  // 2^53 + 1, 2^64 and a decimal that no double holds: text that JSON.parse would change.
  data: '{"step":9007199254740993, "bytes":18446744073709551616,"loss":0.10000000000000000555,"text":"Grüße 模型"}',
  meta: '{"correlationId":"0190a0b0-0000-7000-8000-000000000003","actorKind":"person","traceparent":"00-a-b-01"}',
};

describe('envelope', () => {
  it('carries big integers, and the text of data byte by byte', () => {
    const message = toMessage(stored, 'kontor.example/log/0');
    expect(fromMessage(message)).toEqual(stored);
    expect(Buffer.from(message.data).toString()).toBe(stored.data);
  });

  it('keeps position and version exact where the data is parsed', () => {
    const { position, version } = toRecorded(fromMessage(toMessage(stored, 'kontor.example/log/0')), {});
    expect([position, version]).toEqual([9_007_199_254_740_993n, 9_007_199_254_740_995n]);
  });

  it('writes headers as CloudEvents asks for: only what must be is percent-encoded', () => {
    const { headers } = toMessage(stored, 'kontor.example/log/0');
    const values = ['specversion', 'time', 'type', 'source', 'subject', 'datacontenttype', 'dataschema', 'actor'].map(
      (name) => headers.get(`ce-${name}`),
    );
    expect(values).toEqual([
      '1.0',
      '2026-06-01T12:00:00.123456Z',
      'MetricsLogged',
      'kontor.example/log/0',
      'default/registry/run/a%2520b',
      'application/json',
      'urn:kontor:event:registry:MetricsLogged:1',
      '%C3%A4d%C3%A4,%2050%20%25%0D%0AInjected:%20yes',
    ]);
    // The example of the specification.
    const { headers: euro } = toMessage({ ...stored, actor: 'Euro € 😀' }, 'kontor.example/log/0');
    expect(euro.get('ce-actor')).toBe('Euro%20%E2%82%AC%20%F0%9F%98%80');
  });

  it('reads the schema name that 0.1 wrote, which JetStream still holds', () => {
    const { headers, data } = toMessage(stored, 'kontor.example/log/0');
    headers.set('ce-dataschema', 'MetricsLogged%402');
    expect(fromMessage({ headers, data }).schemaVersion).toBe(2);
  });

  it('lets no text of an event become a header of its own', () => {
    const { headers } = toMessage(stored, 'kontor.example/log/0');
    expect(headers.keys()).not.toContain('Injected');
    expect(headers.get('ce-actor')).not.toMatch(/[\r\n]/);
    expect(headers.get('traceparent')).toBe('00-a-b-01');
  });

  it('names the header that a message lacks', () => {
    const { headers, data } = toMessage(stored, 'kontor.example/log/0');
    headers.delete('ce-pos');
    expect(() => fromMessage({ headers, data })).toThrow(BadMessage);
    expect(() => fromMessage({ headers, data })).toThrow('ce-pos');
    expect(() => fromMessage({ data })).toThrow(BadMessage);
  });
});
