import type { Command } from 'commander'
import type { FollowerStatus } from 'daybook'
import { defaultCommand, refuseWords } from '../../command-group.ts'
import { statusOf, waitingText } from '../../follower-output.ts'
import { explained } from '../../help.ts'
import { definitionsOf, openToWatch } from '../../opening.ts'
import type { Session, Tools } from '../../session.ts'
import type { Column } from '../../tables.ts'
import { visible } from '../../text.ts'

/** `daybook subscriptions list`: how far each has come. */
export function addList(group: Command, session: Session): void {
  const command = explained(defaultCommand(group, 'list'), {
    summary: 'show how far each has come',
    purpose:
      'Lists the subscriptions, reactions and process managers of the configuration: how many events each is behind the log, for how long the oldest of these has been waiting, how many events it has put aside, and who runs it.',
    examples: [
      ['daybook subscriptions', 'all of them'],
      ['daybook subscriptions --json', 'for a program'],
    ],
  })
  command.action(() =>
    session.run((tools) => {
      refuseWords(command)
      return list(tools)
    }),
  )
}

async function list(tools: Tools): Promise<void> {
  const { output } = tools
  const defined = await definitionsOf(tools)
  await using book = await openToWatch({ ...defined, projections: [], sqlProjections: [] })
  const followers = (await book.status()).filter(({ kind }) => kind !== 'projection')
  const count = await output.list([followers], columns, followerJson)
  if (count === 0) await output.note('The configuration has no subscriptions, reactions or processes.')
}

const columns: readonly Column<FollowerStatus>[] = [
  { title: 'Name', text: ({ name }) => visible(name), leastWidth: 20 },
  { title: 'Kind', text: ({ kind }) => kind, leastWidth: 12 },
  { title: 'Version', text: ({ version }) => (version === undefined ? '' : String(version)), isNumber: true },
  { title: 'Status', text: followerState },
  { title: 'Position', text: ({ position }) => String(position), isNumber: true },
  { title: 'Behind', text: ({ behind }) => String(behind), isNumber: true },
  { title: 'Waiting', text: waitingText, isNumber: true },
  { title: 'Retrying', text: ({ parked }) => String(parked.retrying), isNumber: true },
  { title: 'Parked', text: ({ parked }) => String(parked.parked), isNumber: true },
  { title: 'Run by', text: ownerText, leastWidth: 6 },
]

/** How it does; `new` where no process has ever had it open, `stuck` where it does not get on. */
export function followerState(status: FollowerStatus): string {
  if (status.movedAtMs === 0) return 'new'
  return status.isStuck && !status.isPaused ? 'stuck' : statusOf(status)
}

function ownerText({ owner, shards }: FollowerStatus): string {
  const owners = [...new Set([owner, ...shards.map((shard) => shard.owner)])].filter(
    (one) => one !== undefined,
  )
  return owners.length === 0 ? 'nobody' : owners.map(visible).join(', ')
}

/** A follower for a program; what this process does with it, which is nothing, is left out. */
export function followerJson(status: FollowerStatus): unknown {
  const { state: _state, error: _error, mode: _mode, isChanged: _isChanged, lag: _lag, ...told } = status
  return { ...told, status: followerState(status) }
}
