import type { Command } from 'commander'
import { usage } from '../failures.ts'
import { explained } from '../help.ts'
import { definitionsOf } from '../opening.ts'
import type { Session, Tools } from '../session.ts'
import { isPostgres } from '../store-address.ts'
import { visible } from '../text.ts'
import { wholeNumber } from '../values.ts'

/** Smaller partitions help nobody, and every read has to know of every partition. */
const leastEvents = 10_000

/** `daybook partition`: divides the log of a book on PostgreSQL by position. */
export function addPartition(program: Command, session: Session): void {
  const command = explained(program.command('partition'), {
    summary: 'divide the log of a book on PostgreSQL by position',
    purpose:
      'Makes the events that are there the first partition, and partitions of --events positions from then on, ahead of the head. Nothing is copied, and applications go on: a read waits for 200 ms at most each time that the switch tries to get its lock, and for the few milliseconds of the switch itself. Given again, it changes the size of the partitions to come.\n\n' +
      'Partitions are for logs of many millions of events. Ten million events each is a good size; reading a stream has to look into each partition, so a hundred of them are plenty. It needs the rights of the owner.',
    examples: [
      ['daybook partition --store postgres://owner@localhost/bank --events 10000000', 'divide the log'],
    ],
  })
  command
    .requiredOption(
      '--events <number>',
      `events in a partition, ${leastEvents} or more`,
      wholeNumber(leastEvents),
    )
    .action(() =>
      session.run((tools) => partition(tools, command.opts<{ readonly events: number }>().events)),
    )
}

async function partition({ output, ...tools }: Tools, events: number): Promise<undefined> {
  const { store } = await definitionsOf({ output, ...tools }, 'store')
  if (!isPostgres(store))
    throw usage(`${store.name} has no partitions`, 'Only the log of a book on PostgreSQL has them.')
  const { isNew, partitions } = await store.partition(events)
  if (output.form === 'json') {
    await output.object({ store: store.name, isNew, events, partitions })
    return undefined
  }
  const name = visible(store.name)
  if (isNew) await output.line(`Divided the log of ${name}. Its partitions:`)
  else await output.line(`The log of ${name} is divided; new partitions hold ${events} events. It has:`)
  for (const { table, firstPosition, lastPosition } of partitions)
    await output.line(`${table}\tpositions ${firstPosition} to ${lastPosition}`)
  return undefined
}
