export { type AddCheckpoint, formatAddCheckpoint, parseAddCheckpoint } from './add-checkpoint.js';
export { authenticTiles, type LeafTiles, tilesForLeaves } from './authentic-tiles.js';
export {
  type BundleEvent,
  type BundleHeader,
  type BundleLine,
  formatEvent,
  formatHeader,
  formatTile,
  parseBundleLine,
  parseHeader,
} from './bundle.js';
export { type Checkpoint, formatCheckpoint, parseCheckpoint } from './checkpoint.js';
export { type Epoch, epochAt, type EpochLink, formatEpochLink, parseEpochLink } from './epoch.js';
export { entryText, eventLeaf, isLeafOf, type LogEntry } from './entry.js';
export {
  EMPTY_ROOT,
  equalHashes,
  fromBase64,
  type Hash,
  HASH_BYTES,
  leafHash,
  nodeHash,
  sha256Hex,
  toBase64,
} from './hash.js';
export {
  formatLogKey,
  hasSigned,
  type LogKey,
  openCheckpoint,
  parseLogKeys,
  type SignedCheckpoint,
} from './log-key.js';
export {
  cosignedAtS,
  formatNote,
  formatSignature,
  logSigner,
  type Note,
  openNote,
  parseNote,
  parseVerifier,
  parseWitnessKey,
  Refused,
  type Signature,
  type Signer,
  type Verifier,
  verifierKey,
  witnessSigner,
} from './note.js';
export {
  type ConsistencyClaim,
  type InclusionClaim,
  proveConsistency,
  proveInclusion,
  tilesForConsistency,
  tilesForInclusion,
  verifyConsistency,
  verifyInclusion,
} from './proof.js';
export {
  type ContentOf,
  hashesOf,
  parseTilePath,
  rangeRoot,
  type Tile,
  tilePath,
  TILE_WIDTH,
  tileRoot,
  tilesOf,
  tilesOfRanges,
  tileWidth,
} from './tile.js';
export { partialTilesOf, type TileContent, TileTree } from './tile-tree.js';
export { formatTlogProof, parseTlogProof, type TlogProof } from './tlog-proof.js';
export { rootOf } from './tree.js';
