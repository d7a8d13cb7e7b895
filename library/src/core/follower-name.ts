/** What follows a log. */
export type FollowerKind = 'projection' | 'subscription' | 'reaction' | 'process'

/** What the name of a checkpoint says: `subscription search@2#0`, `balances@3`, `reaction mail`. */
export interface FollowerName {
  readonly kind: FollowerKind
  readonly name: string
  /** With version: `search@2`; where there is none, the name alone. */
  readonly fullName: string
  readonly version: number | undefined
  readonly shard: number | undefined
}

const kinds = /^(subscription|process) ([a-z0-9_-]+)(?:@(\d+))?(?:#(\d+))?$/
const projections = /^([a-z0-9_-]+)@(\d+)(?:\.\d+)?$/

/** Reads the name of a checkpoint. */
export function followerNameOf(subscription: string): FollowerName {
  if (subscription.startsWith('reaction ')) {
    const name = subscription.slice('reaction '.length)
    return { kind: 'reaction', name, fullName: name, version: undefined, shard: undefined }
  }
  const [, projection, projectionVersion] = projections.exec(subscription) ?? []
  if (projection !== undefined) return named('projection', projection, projectionVersion, undefined)
  const [, kind, name, version, shard] = kinds.exec(subscription) ?? []
  if (name === undefined) return named('subscription', subscription, undefined, undefined)
  return named(kind === 'process' ? 'process' : 'subscription', name, version, shard)
}

function named(
  kind: FollowerKind,
  name: string,
  version: string | undefined,
  shard: string | undefined,
): FollowerName {
  return {
    kind,
    name,
    fullName: version === undefined ? name : `${name}@${version}`,
    version: version === undefined ? undefined : Number(version),
    shard: shard === undefined ? undefined : Number(shard),
  }
}

/**
 * True when a checkpoint is meant by what a person says: its own name, or that of its follower with or without version and
 * kind: `search`, `search@2`, `subscription search`, `subscription search@2#0`.
 */
export function isFollowerNamed(subscription: string, said: string): boolean {
  if (subscription === said) return true
  const { kind, name, fullName } = followerNameOf(subscription)
  return [name, fullName, `${kind} ${name}`, `${kind} ${fullName}`].includes(said)
}
