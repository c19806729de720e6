import { builtinModules } from 'node:module';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

// One file that runs on a bare Node 24: dist/kontor-witness.mjs
export default defineConfig({
  root: here('.'),
  resolve: { conditions: ['@kontor/source'] },
  ssr: { noExternal: true, resolve: { conditions: ['@kontor/source'] } },
  build: {
    ssr: here('./src/main.ts'),
    outDir: here('./dist'),
    emptyOutDir: false,
    target: 'node24',
    minify: false,
    rollupOptions: {
      external: [...builtinModules, /^node:/],
      output: { entryFileNames: 'kontor-witness.mjs', codeSplitting: false },
    },
  },
});
