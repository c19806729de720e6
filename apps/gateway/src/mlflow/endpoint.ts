import type { Fields, Message } from './message.js';
import type { MlflowCall } from './call.js';

/**
 * One method and path of MLflow's REST API, or of Kontor's own beside it. `{name}` parts of the path become fields of the
 * request, and what stands for a final `*` becomes the field `*`.
 */
export interface Endpoint<F extends Fields = Fields> {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Behind `/api/<version>.0` and `/ajax-api/<version>.0`. */
  readonly path: `/mlflow${string}` | `/kontor/${string}`;
  /** 2 unless MLflow moved the endpoint. */
  readonly version?: 3;
  /** Set where MLflow serves only the form behind `/ajax-api`. */
  readonly isAjaxOnly?: true;
  /** 200 unless MLflow answers otherwise; 204 sends no body. */
  readonly status?: 201 | 204;
  /** Set where a method other than GET brings its fields in the query. */
  readonly query?: true;
  /** Set where a method other than GET changes nothing: it can be asked as of a moment, as every GET can. */
  readonly reads?: true;
  /** Set where asking twice makes two: a request that had no answer is taken for the same one when it comes again. */
  readonly creates?: true;
  /** Set where an answer does not stay true even of a past moment: a link that expires, what the server is set to. */
  readonly expires?: true;
  readonly fields: F;
  /** Answers with the JSON body; `{}` is an empty success. @throws MlflowError */
  readonly handle: (request: Message<F>, call: MlflowCall) => Promise<object>;
}

/** Declares an endpoint; the request's type follows from its fields. */
export const endpoint = <const F extends Fields>(declaration: Endpoint<F>): Endpoint =>
  declaration as unknown as Endpoint;
