/** A variable of the environment that cannot be: the message names it, its value, what is wrong with that and what is allowed. */
export class SettingRefused extends Error {
  override readonly name = 'SettingRefused';
  /**
   * @param value as a person may see it: without passwords
   * @param problem continues a sentence that begins with the value
   */
  constructor(variable: string, value: string, problem: string, allowed: string, options?: ErrorOptions) {
    super(`${variable}: "${value}" ${problem}; allowed is ${allowed}`, options);
  }
}
