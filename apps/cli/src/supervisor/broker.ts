import { connectNats, ensureStreams } from '@kontor/messaging';

/** Makes the streams and the bucket that do not exist yet. @throws StreamRefused, as `ensureStreams` does */
export const prepareBroker = async (url: string, origin: string): Promise<void> => {
  const connection = await connectNats(url, 'kontor-up');
  try {
    await ensureStreams(connection, { origin, base: 0n });
  } finally {
    await connection.close();
  }
};
