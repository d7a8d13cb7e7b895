// #region play
import { openBook } from 'daybook'
import { memory } from 'daybook/memory'
import { testHost } from 'daybook/testing'
import { settlement } from './settlement.ts'
import { purse, withdrawal } from './withdrawals.ts'

const host = testHost()
await using book = await openBook({
  store: memory(),
  host,
  deciders: [purse, withdrawal],
  processes: [settlement],
})

await book.execute(purse.fill('1', { cents: 500 }))
await book.execute(withdrawal.request('7', { account: '1', cents: 300 }))
// #endregion

/** Lets a little time pass until something is so. */
async function until(isSo: () => Promise<boolean>): Promise<void> {
  while (!(await isSo())) await host.advance(10)
}

const waitsForDeadline = async (): Promise<boolean> =>
  (await book.processes.pending()).some(({ waitsFor }) => waitsFor[0]?.kind === 'deadline')
await until(waitsForDeadline)
// #region pending
for (const { process, key, waitsFor } of await book.processes.pending()) {
  const [next] = waitsFor
  if (next?.kind === 'deadline') console.log(`${process} ${key} waits for "${next.name}"`)
  if (next?.kind === 'command') console.log(`${process} ${key} waits for ${next.command.name}`)
}
// #endregion
// #region skip
await host.skip(24 * 3_600_000)
await until(async () => (await book.processes.pending()).length === 0)
for await (const { type, stream, data } of book.readLog()) {
  if (!stream.startsWith('process:')) console.log(stream, type, data)
}
// #endregion
