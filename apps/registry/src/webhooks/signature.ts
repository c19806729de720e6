import { createHmac } from 'node:crypto';

interface Signed {
  readonly deliveryId: string;
  /** Of this try, ms since 1970. */
  readonly nowMs: number;
  readonly body: string;
  /** Undefined: nothing is signed. */
  readonly secret: string | undefined;
}

/**
 * The headers of one try.
 *
 * @source MLflow 3.18, `mlflow/webhooks/delivery.py`: HMAC-SHA-256 over `<delivery id>.<timestamp>.<body>` as in Standard
 * Webhooks, with the UTF-8 bytes of the secret as the key.
 */
export const signed = ({ deliveryId, nowMs, body, secret }: Signed): Readonly<Record<string, string>> => {
  const timestamp = String(Math.floor(nowMs / 1000));
  const headers = {
    'Content-Type': 'application/json',
    'X-MLflow-Delivery-Id': deliveryId,
    'X-MLflow-Timestamp': timestamp,
  };
  if (secret === undefined) return headers;
  const hmac = createHmac('sha256', secret).update(`${deliveryId}.${timestamp}.${body}`);
  return { ...headers, 'X-MLflow-Signature': `v1,${hmac.digest('base64')}` };
};
