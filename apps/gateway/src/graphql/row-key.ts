/** The key of a read row: unique over all workspaces. The id part may hold any text, slashes included. */
export const rowKey = (workspace: string, ...id: readonly (string | number)[]): string =>
  [workspace, ...id].map((part) => encodeURIComponent(part)).join('/');
