import { builtinModules } from 'node:module';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

// One file that runs on a bare Node 20 or newer: dist/kontor-verify.mjs
export default defineConfig({
  root: here('.'),
  resolve: { conditions: ['@kontor/source'] },
  ssr: { noExternal: true, resolve: { conditions: ['@kontor/source'] } },
  build: {
    ssr: here('./src/main.ts'),
    outDir: here('./dist'),
    emptyOutDir: false,
    target: 'node20',
    minify: false,
    rollupOptions: {
      external: [...builtinModules, /^node:/],
      output: { entryFileNames: 'kontor-verify.mjs', codeSplitting: false },
    },
  },
});
