/** A server cannot be had here: the message says why and what a person can do. Not a bug, so nobody needs its stack. */
export class ServerRefused extends Error {
  override readonly name = 'ServerRefused';
}
