// Writes schema.graphql and generated/types.ts from the SDL files: npm run generate -w @kontor/gateway
import { createServer } from 'vite';

const vite = await createServer({
  configFile: false,
  server: { middlewareMode: true, ws: false },
  appType: 'custom',
  logLevel: 'error',
});
try {
  await (await vite.ssrLoadModule('/src/graphql/generate.ts')).writeGenerated();
} finally {
  await vite.close();
}
