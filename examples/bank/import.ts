/**
 * Imports a bank's history as events, by the same deciders that everything else goes through, with the original dates
 * as business time. Run it again after an interruption and it goes on; see `--help`.
 */
import { isDaybookError } from 'daybook'
import { type ImportArguments, readArguments, type Source, usage } from './import/arguments.ts'
import { ImportFailure } from './import/failure.ts'
import { type ImportResult, importHistory } from './import/import-history.ts'
import { PkddError } from './pkdd/errors.ts'
import { generateHistory } from './pkdd/generate.ts'
import { readPkddHistory } from './pkdd/read-history.ts'

/** Some of each, so that there is something to find: overdrafts, roundings, bookings that were lost. */
const invented = { overdraftShare: 0.05, roundingShare: 0.05, lostInterestShare: 0.001 }

async function readSource(source: Source) {
  if (source.kind === 'pkdd') return { name: 'pkdd', history: await readPkddHistory(source.directory) }
  const { seed, accounts, months } = source
  const history = generateHistory({ seed, accounts, months, ...invented })
  return { name: `generated-${seed}-${accounts}-${months}`, history }
}

async function main({ source, store, isJson }: ImportArguments) {
  const interrupt = new AbortController()
  const stop = () => interrupt.abort()
  process.once('SIGINT', stop).once('SIGTERM', stop)
  const { name, history } = await readSource(source)
  process.stderr.write(
    `importing ${history.steps.length} transactions of ${history.accounts.length} accounts\n`,
  )
  const result = await importHistory(store, history, name, process.stderr, interrupt.signal)
  console.log(isJson ? JSON.stringify(result) : summary(result, store.name))
}

function summary(result: ImportResult, book: string) {
  const number = new Intl.NumberFormat('en')
  const { transactions, exact, rounding, other } = result
  const share = (steps: number) => `${((100 * steps) / Math.max(transactions, 1)).toFixed(2)} %`.padStart(9)
  const row = (name: string, steps: number) =>
    `  ${name.padEnd(22)}${number.format(steps).padStart(9)}${share(steps)}`
  return [
    `${number.format(transactions)} transactions of ${number.format(result.accounts)} accounts are in ${book}, as ${number.format(result.events)} events.`,
    'Every folded balance is the sum of its amounts to the cent. Against the bank’s own running balance:',
    row('exact', exact),
    row('off by 0.10 or less', rounding),
    row('other', other),
  ].join('\n')
}

function reportFailure(error: unknown) {
  if (error instanceof ImportFailure) {
    console.error(`import: ${error.code}: ${error.message}\n${error.hint}`)
    return error.exitStatus
  }
  if (error instanceof PkddError) {
    console.error(`import: ${error.code}: ${error.message}`)
    return error.code === 'DirectoryMissing' ? 2 : 1
  }
  if (isDaybookError(error)) {
    console.error(`import: ${error.code}: ${error.message}\n${error.hint}`)
    return 1
  }
  throw error
}

try {
  const given = readArguments(process.argv.slice(2))
  if (given === undefined) console.log(usage)
  else await main(given)
} catch (error) {
  process.exitCode = reportFailure(error)
}
