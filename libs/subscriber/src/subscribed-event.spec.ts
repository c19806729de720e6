import { headers } from '@nats-io/transport-node';
import { describe, expect, it } from 'vitest';
import { BadMessage } from './errors.js';
import { toEvent } from './subscribed-event.js';

const attributes = {
  specversion: '1.0',
  id: '0190a0b0-0000-7000-8000-000000000001',
  source: 'kontor.example/log/0',
  type: 'MetricsLogged',
  subject: 'default/registry/run/a%2520b',
  time: '2026-06-01T12:00:00.123456Z',
  dataschema: 'urn:kontor:event:registry:MetricsLogged:1',
  workspace: 'default',
  pos: '9007199254740993',
  streamversion: '9007199254740995',
  actor: '%C3%A4d%C3%A4',
};
const text = '{"step":9007199254740993,"text":"Grüße 模型"}';

const message = (changes: Readonly<Record<string, string>> = {}) => {
  const head = headers();
  for (const [name, value] of Object.entries({ ...attributes, ...changes })) if (value) head.set(`ce-${name}`, value);
  return { headers: head, data: new TextEncoder().encode(text) };
};

describe('a message', () => {
  it('becomes an event; positions and the text of the data stay exact', () => {
    const event = toEvent(message());
    expect(event).toMatchObject({
      position: 9_007_199_254_740_993n,
      streamVersion: 9_007_199_254_740_995n,
      subject: 'default/registry/run/a%20b',
      actor: 'ädä',
      text,
    });
    expect(event.data).toEqual({ step: 9_007_199_254_740_992, text: 'Grüße 模型' });
  });

  it.each([
    [{ pos: '' }, 'without header ce-pos'],
    [{ pos: '-1' }, 'ce-pos is not a whole number: -1'],
    [{ actor: '%C0%A0' }, 'ce-actor is not percent-encoded UTF-8: %C0%A0'],
  ])('with %j is refused', (changes, words) => {
    expect(() => toEvent(message(changes))).toThrow(BadMessage);
    expect(() => toEvent(message(changes))).toThrow(words);
  });
});
