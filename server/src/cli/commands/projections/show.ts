import type { Command } from 'commander'
import type { FollowerStatus, RebuildStatus } from 'daybook'
import { newestFirst, unknown } from '../../copies.ts'
import { copyText, parkedText, statusOf, waitingText } from '../../follower-output.ts'
import { explained } from '../../help.ts'
import { definitionsOf, openToWatch } from '../../opening.ts'
import type { Session, Tools } from '../../session.ts'
import { visible } from '../../text.ts'

/** `daybook projections show`: everything there is to know of one. */
export function addShow(group: Command, session: Session): void {
  explained(group.command('show <name>'), {
    summary: 'show one projection: its copies, its lag, what it has put aside',
    purpose:
      'Shows which copy of a read model serves, which one is being filled and which one served before, how far each is and who runs it; what the code of the configuration is, and whether it was changed without raising the version; and how many events are parked.',
    examples: [['daybook projections show balances', 'its copies and its lag']],
  }).action((name: string) => session.run((tools) => show(tools, name)))
}

/** What is known of one projection: by its code, by its copies, or by both. */
interface Shown {
  readonly name: string
  readonly versions: readonly FollowerStatus[]
  readonly copies: RebuildStatus | undefined
}

async function show(tools: Tools, name: string): Promise<void> {
  const { output } = tools
  const defined = await definitionsOf(tools, 'store')
  await using book = await openToWatch({ ...defined, subscriptions: [], reactions: [] })
  const [all, copies] = await Promise.all([book.status(), book.rebuilds.status()])
  const projections = all.filter(({ kind }) => kind === 'projection')
  const shown = {
    name,
    versions: newestFirst(projections.filter((status) => status.name === name)),
    copies: copies.find(({ projection }) => projection === name),
  }
  if (shown.versions.length === 0 && shown.copies === undefined) {
    const known = [...projections.map((status) => status.name), ...copies.map(({ projection }) => projection)]
    unknown(name, [...new Set(known)])
  }
  if (output.form === 'json') await output.object(jsonOf(shown))
  else await output.sheet(entriesOf(shown))
}

function entriesOf({ name, versions, copies }: Shown): [string, string][] {
  return [
    ['projection', visible(name)],
    ...(versions.length === 0 ? ([['code', 'not in this configuration']] as [string, string][]) : []),
    ...versions.flatMap(codeEntries),
    ...(copies === undefined
      ? []
      : ([
          ['serving', copyText(copies.serving)],
          ['next', copyText(copies.next)],
          ['previous', copyText(copies.previous)],
        ] as [string, string][])),
  ]
}

/** Of a SQL projection there are no copies, so it says itself where it stands. */
function codeEntries(status: FollowerStatus): [string, string][] {
  const { version = 1, mode, position, behind, owner, cause, parked } = status
  const how = statusOf(status)
  const waiting = waitingText(status)
  const changed = how === 'changed' ? ': what is stored is of other code, and the version was not raised' : ''
  return [
    ['code', `version ${version}, ${mode}`],
    ['status', `${how}${changed}`],
    ['position', `${position}, ${behind} behind${waiting === '' ? '' : `, the oldest for ${waiting}`}`],
    ...(owner === undefined ? [] : ([['run by', visible(owner)]] as [string, string][])),
    ...(cause === undefined ? [] : ([['stuck', visible(cause)]] as [string, string][])),
    ['aside', parkedText(parked)],
  ]
}

function jsonOf({ name, versions, copies }: Shown): unknown {
  const { serving, next, previous } = copies ?? {}
  return { name, versions: versions.map(versionJson), serving, next, previous }
}

function versionJson(status: FollowerStatus): unknown {
  const { version, mode, position, behind, behindMs, isChanged, isPaused, isStuck, cause, owner, parked } =
    status
  const stands = { position, behind, lagMs: behindMs, owner, parked }
  return { version, mode, status: statusOf(status), ...stands, isChanged, isPaused, isStuck, cause }
}
