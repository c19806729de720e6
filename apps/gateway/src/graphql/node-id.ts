/** An opaque, stable id: base64url of type and key without the workspace. */
export const toNodeId = (type: string, key: string): string =>
  Buffer.from(`${type}:${key.slice(key.indexOf('/') + 1)}`).toString('base64url');

/** The inverse, in the caller's workspace; undefined for text that is no id. */
export const fromNodeId = (id: string, workspace: string): { type: string; key: string } | undefined => {
  const text = Buffer.from(id, 'base64url').toString();
  const colon = text.indexOf(':');
  if (colon < 1 || toNodeId(text.slice(0, colon), `/${text.slice(colon + 1)}`) !== id) return undefined;
  return { type: text.slice(0, colon), key: `${encodeURIComponent(workspace)}/${text.slice(colon + 1)}` };
};
