const SUFFIX = '-staging';

/** A slug has at most 63 characters; the mark is a hyphen and 8 hex digits. */
const MAX_NAME = 63 - SUFFIX.length;
const MAX_MARKED_NAME = MAX_NAME - 9;

/**
 * The staging endpoint of a model: its name where that is a slug and short enough, else what is left of it with a mark
 * of the whole name, so that `Credit risk` and `credit_risk` do not share an endpoint.
 */
export const stagingEndpoint = (modelName: string): string => {
  const words = modelName
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '');
  if (words === modelName && words.length <= MAX_NAME) return `${words}${SUFFIX}`;
  const start = words.slice(0, MAX_MARKED_NAME).replace(/-+$/, '') || 'model';
  return `${start}-${mark(modelName)}${SUFFIX}`;
};

/**
 * 32 bits of a text as 8 hex digits. Names are few and nothing rests on it but the address; two models that met would be
 * refused with VERSION_NUMBER_TAKEN, not mixed.
 *
 * @source FNV-1a, 32 bits, over UTF-16 code units.
 */
const mark = (text: string): string => {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i += 1) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return (hash >>> 0).toString(16).padStart(8, '0');
};
