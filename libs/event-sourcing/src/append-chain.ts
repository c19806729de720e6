/**
 * Appends to one stream, each decided on what the one before it will have made of the stream, before the log has said that it
 * was appended. Another stream may be written beside it, and by several of the chain, if nothing else of the chain writes that
 * one. A store does them in the order of the calls. Whatever else becomes of one than `appended`, an error too, breaks the chain
 * before any that stands behind it is done: those were decided on what may never have happened, so the store refuses them as
 * `broken`, and whoever decides begins again with a new chain.
 */
export class AppendChain {
  #broken = false;

  get isBroken(): boolean {
    return this.#broken;
  }

  break(): void {
    this.#broken = true;
  }
}
