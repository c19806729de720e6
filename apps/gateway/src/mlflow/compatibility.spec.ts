import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { compatibilityPage, PAGE } from './compatibility.js';
import { type Area, MLFLOW_ENDPOINTS } from './mlflow-endpoints.js';

it('the page about MLflow is what the routes give: it was generated again after the last change', async () => {
  const committed = await readFile(PAGE, 'utf8');
  expect(committed === (await compatibilityPage()), 'run npm run generate -w @kontor/gateway').toBe(true);
});

it('knows all pairs that MLflow registers', () => {
  const methods = (Object.keys(MLFLOW_ENDPOINTS) as Area[]).flatMap((area) =>
    MLFLOW_ENDPOINTS[area].match(/[A-Z]{3,}/g),
  );
  expect(methods).toHaveLength(190);
});
