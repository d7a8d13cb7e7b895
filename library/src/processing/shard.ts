/**
 * Which shard a stream belongs to: FNV-1a, 32 bits, over the bytes of its name in UTF-8, modulo the number of shards. Part of
 * what is stored: a checkpoint of a shard is good for these streams only, so this never changes.
 *
 * @see http://www.isthe.com/chongo/tech/comp/fnv/
 */
export function shardOf(stream: string, shards: number): number {
  if (shards === 1) return 0
  let hash = 0x811c9dc5
  for (const byte of encoder.encode(stream)) hash = Math.imul(hash ^ byte, 0x01000193)
  return (hash >>> 0) % shards
}

const encoder = new TextEncoder()
