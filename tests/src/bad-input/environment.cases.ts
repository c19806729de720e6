/** A variable that a start must refuse before anything runs. */
export interface EnvironmentCase {
  readonly env: Readonly<Record<string, string>>;
  readonly exitCode: number;
  /** The variable, its value, and what is allowed. */
  readonly says: readonly string[];
}

const wrong = (name: string, value: string, allowed: string): EnvironmentCase => ({
  env: { [name]: value },
  exitCode: 2,
  says: [`${name}: "${value}" is not allowed`, allowed],
});

export const environmentCases: readonly EnvironmentCase[] = [
  wrong('KONTOR_PORT', 'http', 'a port from 1024 to 65535'),
  wrong('KONTOR_PORT', '80', 'a port from 1024 to 65535'),
  wrong('KONTOR_PORT', '65536', 'a port from 1024 to 65535'),
  wrong('KONTOR_PORT', '-1', 'a port from 1024 to 65535'),
  wrong('KONTOR_SERVING_PORT', '4010.5', 'a port from 1024 to 65535'),
  wrong('KONTOR_AUTH', 'none', '"open" or "token"'),
  wrong('KONTOR_AUTH', 'OPEN', '"open" or "token"'),
  wrong('KONTOR_HOST', 'my host', 'an IP address or host name'),
  wrong('KONTOR_HOST', '127.0.0.1;ls', 'an IP address or host name'),
  wrong('KONTOR_LOG_ORIGIN', 'a b', 'a name of letters, digits'),
  {
    env: { KONTOR_HOST: '0.0.0.0', KONTOR_AUTH: 'open' },
    exitCode: 2,
    says: ['KONTOR_AUTH', '0.0.0.0', 'allowed is "token"'],
  },
  { env: { KONTOR_DATA_DIR: '/dev/null' }, exitCode: 1, says: ['/dev/null'] },
];
