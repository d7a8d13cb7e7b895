import { type Command, Option } from 'commander'
import type {
  AnyProjection,
  BookOptions,
  RebuildOptions,
  RebuildProgress,
  RebuildResult,
  SqlProjection,
} from 'daybook'
import { CommandFailure, exitCodes, usage } from '../../failures.ts'
import { copyName } from '../../follower-output.ts'
import { explained } from '../../help.ts'
import { definitionsOf, openToManage, openToSee, projectionNamed, sqlProjectionNamed } from '../../opening.ts'
import { Progress } from '../../progress.ts'
import type { Session, Tools } from '../../session.ts'
import { bytesText, counted, countText, durationText } from '../../text.ts'
import { wholeNumber } from '../../values.ts'
import { refillTables } from './rebuild-in-place.ts'
import { RebuildTeller } from './rebuild-teller.ts'

interface Options {
  readonly estimate?: boolean
  readonly eventsPerSecond?: number
  readonly swap?: 'auto' | 'manual'
  readonly inPlace?: boolean
}

/** `daybook projections rebuild`: fills a new copy beside the one that serves. */
export function addRebuild(group: Command, session: Session): void {
  const command = explained(group.command('rebuild <name>'), {
    summary: 'fill a read model anew, beside the one that serves',
    purpose:
      'Says what it would take, fills a new copy of the read model beside the one that serves, and lets it take its place in one transaction; readers notice nothing until then. Ctrl-C stops it, and so may anything else: the same command goes on where it stopped. Where another process fills the copy already, it waits, and takes over when that one ends. Nothing else of the configuration is run. name@2 names a version; without, the newest is taken. The tables of a SQL projection are your own: with --in-place they are cleared and filled again, and readers see them grow. The exit code is 1 when somebody gave the copy up meanwhile.',
    examples: [
      ['daybook projections rebuild balances --estimate', 'what it would take'],
      ['daybook projections rebuild balances', 'fill it, and let it serve'],
      ['daybook projections rebuild balances --swap manual', 'fill it, and let it wait to be compared'],
      ['daybook projections rebuild balances --events-per-second 20000', 'leave room for others'],
      ['daybook projections rebuild turnover --in-place', 'clear tables of your own, and fill them again'],
    ],
  })
  command
    .option('--estimate', 'only say what it would take, from a sample; nothing is changed')
    .option('--events-per-second <events>', 'at most so many events of the log a second', wholeNumber(1))
    .addOption(
      new Option(
        '--swap <when>',
        'auto: it serves as soon as it is filled; manual: it waits for swap (default: what the projection says)',
      ).choices(['auto', 'manual']),
    )
    .option('--in-place', 'a SQL projection: clear its tables and fill them again')
    .action((name: string) => session.run((tools) => rebuild(tools, name, command.opts<Options>())))
}

async function rebuild(tools: Tools, name: string, options: Options): Promise<number | undefined> {
  if (options.estimate === true && (options.swap ?? options.eventsPerSecond) !== undefined)
    throw usage('--estimate changes nothing: leave out --swap and --events-per-second')
  const defined = await definitionsOf(tools)
  const sqlProjection = sqlProjectionNamed(defined, name)
  if (sqlProjection !== undefined) {
    refuseUnlessInPlace(sqlProjection, options)
    return await refillTables(tools, defined, sqlProjection)
  }
  if (options.inPlace === true)
    throw usage('--in-place is for SQL projections: others are filled beside the copy that serves')
  const projection = projectionNamed(defined, name)
  await writeEstimate(tools, defined, projection)
  if (options.estimate === true) return undefined
  return await writeResult(tools, await filled(tools, defined, projection, options))
}

/** The tables are the user's own; there is no second set of them that could be filled beside. */
function refuseUnlessInPlace({ definition: { name } }: SqlProjection, options: Options): void {
  const { inPlace, estimate, eventsPerSecond, swap } = options
  if (inPlace === true && (estimate ?? eventsPerSecond ?? swap) !== undefined)
    throw usage('--in-place goes with no other option')
  if (inPlace === true) return
  throw new CommandFailure({
    code: 'REBUILD_REFUSED',
    message: `${name} is a SQL projection: its tables are your own, and nothing can be filled beside them`,
    hint: 'Give it new tables under a new version, and drop the old ones when nobody reads them; or add --in-place, which clears the tables and fills them again while readers see them grow.',
    facts: { projection: name },
  })
}

async function writeEstimate(
  { output }: Tools,
  defined: BookOptions,
  projection: AnyProjection,
): Promise<void> {
  const { name, version } = projection.definition.shape
  await using book = await openToSee(defined, [projection])
  const estimate = await book.rebuilds.estimate(projection)
  const { events, bytes, secondsAbout } = estimate
  const time = secondsAbout < 0.1 ? 'less than 0.1 s' : `about ${durationText(secondsAbout * 1_000)}`
  if (output.form === 'json')
    await output.object({ kind: 'estimate', projection: name, version, ...estimate })
  else
    await output.line(
      `${name}@${version} takes ${time}: ${counted(events, 'event')} to look at, ${bytesText(bytes)} of data.`,
    )
  await output.flush()
}

async function filled(
  { signal, shell, output, ...opening }: Tools,
  defined: BookOptions,
  projection: AnyProjection,
  { eventsPerSecond, swap }: Options,
): Promise<RebuildResult> {
  await using book = await openToManage({ ...opening, output }, defined, [projection])
  await using progress = new Progress(shell, '')
  const teller = new RebuildTeller(progress, output, shell.stderr.isTTY === true)
  const options: RebuildOptions = {
    ...(eventsPerSecond === undefined ? {} : { eventsPerSecond }),
    ...(swap === undefined ? {} : { swap }),
    signal,
    onProgress: (at) => teller.tell(at),
  }
  try {
    return await book.rebuilds.start(projection, options)
  } catch (error) {
    throw signal.aborted ? interrupted(teller.last, error) : error
  }
}

function interrupted(last: RebuildProgress | undefined, cause: unknown): CommandFailure {
  const at =
    last === undefined
      ? ''
      : `: ${copyName(last.projection, last)} is filled up to position ${countText(last.position)} of ${countText(last.head)}`
  return new CommandFailure(
    {
      code: 'INTERRUPTED',
      message: `interrupted${at}`,
      hint: 'Run the same command again: it goes on where it stopped. What served before serves on.',
      facts: last === undefined ? {} : { position: last.position, head: last.head },
    },
    cause,
  )
}

async function writeResult({ output }: Tools, result: RebuildResult): Promise<number | undefined> {
  const { projection, outcome, events, seconds, position } = result
  const copy = copyName(projection, result)
  if (output.form === 'json') await output.object({ kind: 'result', ...result })
  else if (outcome === 'swapped') {
    await output.line(
      `${copy} serves: ${counted(events, 'event')} folded in ${durationText(seconds * 1_000)}.`,
    )
    await output.note(`\`daybook projections undo ${projection}\` lets the copy before serve again.`)
  } else if (outcome === 'filled') {
    await output.line(`${copy} is filled up to position ${position}, and waits.`)
    await output.note(
      `\`daybook projections compare ${projection}\` shows what would change, \`daybook projections swap ${projection}\` lets it serve.`,
    )
  } else await output.line(`${copy} was given up by somebody meanwhile; what served before serves on.`)
  return outcome === 'cancelled' ? exitCodes.error[0] : undefined
}
