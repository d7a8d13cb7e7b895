import type { Command } from 'commander'
import type { FollowerStatus, ShardStatus } from 'daybook'
import { CommandFailure } from '../../failures.ts'
import { parkedText, waitingText } from '../../follower-output.ts'
import { explained } from '../../help.ts'
import { definitionsOf, openToWatch } from '../../opening.ts'
import type { Session, Tools } from '../../session.ts'
import type { Column } from '../../tables.ts'
import { durationText, visible } from '../../text.ts'
import { followerJson, followerState } from './list.ts'

/** `daybook subscriptions show`: everything there is to know of one. */
export function addShow(group: Command, session: Session): void {
  explained(group.command('show <name>'), {
    summary: 'show one of them, shard by shard',
    purpose:
      'Shows where a subscription, reaction or process manager stands: who runs it, since when it has not moved and why, what it has put aside; and the same of each of its shards, where it has several.',
    examples: [['daybook subscriptions show search', 'who runs it, and how far it is']],
  }).action((name: string) => session.run((tools) => show(tools, name)))
}

async function show(tools: Tools, name: string): Promise<void> {
  const { output } = tools
  const defined = await definitionsOf(tools)
  await using book = await openToWatch({ ...defined, projections: [], sqlProjections: [] })
  const followers = (await book.status()).filter(({ kind }) => kind !== 'projection')
  const found = followers.filter((follower) => isNamed(follower, name))
  if (found.length === 0) unknown(name, followers)
  for (const follower of found) {
    if (output.form === 'json') await output.object(followerJson(follower))
    else await writeFollower(tools, follower)
  }
}

/** Named as one names it elsewhere: `search`, `search@2`, `reaction mail`. */
export function isNamed({ kind, name, version }: FollowerStatus, said: string): boolean {
  const names = version === undefined ? [name] : [name, `${name}@${version}`]
  return names.some((one) => said === one || said === `${kind} ${one}`)
}

async function writeFollower({ output }: Tools, follower: FollowerStatus): Promise<void> {
  const { kind, name, version, position, behind, owner, leaseAgeMs, cause, stuckMs, parked, shards } =
    follower
  const waiting = waitingText(follower)
  await output.sheet([
    [kind, visible(version === undefined ? name : `${name}@${version}`)],
    ['status', followerState(follower)],
    ['position', `${position}, ${behind} behind${waiting === '' ? '' : `, the oldest for ${waiting}`}`],
    ...(shards.length > 1
      ? []
      : ([['run by', owner === undefined ? 'nobody' : ownedText(owner, leaseAgeMs)]] as [string, string][])),
    ...(cause === undefined
      ? []
      : ([['stuck', `for ${durationText(stuckMs ?? 0)}: ${visible(cause)}`]] as [string, string][])),
    ['aside', parkedText(parked)],
  ])
  if (shards.length < 2) return
  if (output.form === 'table') await output.line('')
  await output.list([shards], columns, (shard) => shard)
}

function ownedText(owner: string, leaseAgeMs = 0): string {
  return `${visible(owner)}, heard of ${durationText(leaseAgeMs)} ago`
}

const columns: readonly Column<ShardStatus>[] = [
  { title: 'Shard', text: ({ subscription }) => visible(subscription), leastWidth: 16 },
  { title: 'Position', text: ({ position }) => String(position), isNumber: true },
  {
    title: 'Waiting',
    text: ({ behindMs }) => (behindMs === 0 ? '' : durationText(behindMs)),
    isNumber: true,
  },
  { title: 'Run by', text: ({ owner = 'nobody' }) => visible(owner) },
  { title: 'Stuck', text: ({ cause = '' }) => visible(cause), isWrapped: true },
]

function unknown(name: string, followers: readonly FollowerStatus[]): never {
  const known = followers.map((follower) => follower.name)
  throw new CommandFailure({
    code: 'NOT_REGISTERED',
    message: `the book has no subscription, reaction or process ${JSON.stringify(name)}; it has ${known.join(', ') || 'none'}`,
    hint: 'Use one of those names, or add it to defineBook in the configuration.',
    facts: { follower: name, known },
  })
}
