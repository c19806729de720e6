import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

// The explorer as plain files below one path: npm run explorer -w @kontor/gateway
export default defineConfig({
  root: here('./src/explorer'),
  base: '/explorer/',
  build: {
    outDir: here('./assets/explorer'),
    emptyOutDir: true,
    // One folder: the gateway serves single file names and nothing below them.
    assetsDir: '',
    chunkSizeWarningLimit: 10_000,
    assetsInlineLimit: 0,
  },
  worker: { format: 'es' },
});
