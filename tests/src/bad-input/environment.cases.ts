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

const wrongPlace = (directory: string, problem: string): EnvironmentCase => ({
  env: { KONTOR_DATA_DIR: directory },
  exitCode: 2,
  says: [`KONTOR_DATA_DIR: "${directory}" ${problem}`, 'allowed is a directory that this user may read and write'],
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
  wrong('KONTOR_WEBHOOK_ALLOW_HTTP', 'yes please', '"on" or "off"'),
  wrong('KONTOR_WEBHOOK_ALLOW_PRIVATE', '10.0.0.0/8', '"on" or "off"'),
  wrong('KONTOR_LOG_ORIGIN', 'a b', 'a name of letters, digits'),
  {
    env: { KONTOR_HOST: '0.0.0.0', KONTOR_AUTH: 'open' },
    exitCode: 2,
    says: ['KONTOR_AUTH', '0.0.0.0', 'allowed is "token"'],
  },
  wrong(
    'KONTOR_WITNESS',
    'kontor.example/log/0+f3cfb585+AZI3cXFlWTZznOkEho9wBzBGVOCa9ezmzKyBfxdMU8KA http://127.0.0.1:4020',
    'the key of a witness, as kontor-witness prints it',
  ),
  wrongPlace('/dev/null', 'cannot be used'),
  wrongPlace('/proc/kontor', 'cannot be used'),
  { env: { KONTOR_KEYS_DIR: '/dev/null' }, exitCode: 2, says: ['KONTOR_KEYS_DIR: "/dev/null" cannot be used'] },
  {
    env: { KONTOR_ARTIFACTS_DIR: '/dev/null' },
    exitCode: 2,
    says: ['KONTOR_ARTIFACTS_DIR: "/dev/null" cannot be used'],
  },
  ...(
    [
      [
        { KONTOR_ARTIFACTS_S3_BUCKET: 'My Bucket' },
        'KONTOR_ARTIFACTS_S3_BUCKET is "My Bucket": must be the name of a bucket',
      ],
      [
        { KONTOR_ARTIFACTS_S3_BUCKET: 'models', KONTOR_ARTIFACTS_DIR: '/d' },
        'KONTOR_ARTIFACTS_DIR is "/d": must not be set beside KONTOR_ARTIFACTS_S3_BUCKET',
      ],
      [{ KONTOR_ARTIFACTS_S3_ENDPOINT: 'http://127.0.0.1:9' }, 'KONTOR_ARTIFACTS_S3_BUCKET is not set: must be set'],
      [
        { KONTOR_ARTIFACTS_S3_BUCKET: 'models', KONTOR_ARTIFACTS_S3_ENDPOINT: 's3://host' },
        'KONTOR_ARTIFACTS_S3_ENDPOINT is "s3://host": must be an address such as',
      ],
      [
        { KONTOR_ARTIFACTS_S3_BUCKET: 'models', KONTOR_ARTIFACTS_S3_SECRET_ACCESS_KEY: 'x' },
        'KONTOR_ARTIFACTS_S3_ACCESS_KEY_ID is not set: the key id and the secret belong together',
      ],
    ] as const
  ).map(([env, says]) => ({ env, exitCode: 2, says: [says] })),
  {
    env: { KONTOR_NATS_SERVER: '/bin/true' },
    exitCode: 2,
    says: ['KONTOR_NATS_SERVER: "/bin/true"', 'nats-server >='],
  },
  { env: { KONTOR_NATS_SERVER: '/nowhere' }, exitCode: 2, says: ['KONTOR_NATS_SERVER: "/nowhere" is missing'] },
  { env: { KONTOR_PG_URL: 'localhost' }, exitCode: 2, says: ['KONTOR_PG_URL: "localhost"', 'postgresql://'] },
  {
    env: { KONTOR_NATS_URL: 'http://localhost' },
    exitCode: 2,
    says: ['KONTOR_NATS_URL: "http://localhost"', 'nats://'],
  },
];
