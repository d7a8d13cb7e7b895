import { parseArgs } from 'node:util'
import type { Store } from 'daybook'
import { storeAt } from '../store-address.ts'
import { ImportFailure } from './failure.ts'

export const usage = `Usage: node examples/bank/import.ts [--from DIR] --store ADDRESS [--json]

  --from DIR           the directory of the PKDD'99 files; without it a history is invented
  --store ADDRESS      the book to import into: sqlite:FILE, or postgres://user:password@host/database?schema=bank,
                       which is made when it is missing; run the same command again to go on after an interruption
  --json               end with one line of JSON on standard output

  For an invented history: --seed N (1993), --accounts N (200), --months N (24)`

/** Where the history comes from. */
export type Source =
  | { readonly kind: 'pkdd'; readonly directory: string }
  | { readonly kind: 'generated'; readonly seed: number; readonly accounts: number; readonly months: number }

export interface ImportArguments {
  readonly source: Source
  readonly store: Store
  readonly isJson: boolean
}

/** Reads the command line; undefined when help was asked for. Throws `ImportFailure` `ARGUMENT_INVALID`. */
export function readArguments(args: readonly string[]): ImportArguments | undefined {
  const values = parsed(args)
  if (values.help) return undefined
  const { from, store: address, seed, accounts, months, json } = values
  if (address === undefined) throw invalid('--store is missing; for example --store sqlite:bank.db')
  const store = storeAt(address)
  if (store === undefined) throw invalid('--store is neither sqlite:FILE nor postgres://…')
  if (from !== undefined) {
    const needless = seed ?? accounts ?? months
    if (needless !== undefined) throw invalid('--seed, --accounts and --months do not go with --from')
    return { source: { kind: 'pkdd', directory: from }, store, isJson: json }
  }
  const source: Source = {
    kind: 'generated',
    seed: wholeNumber('--seed', seed ?? '1993', 0, 2 ** 32 - 1),
    accounts: wholeNumber('--accounts', accounts ?? '200', 1, 5_000),
    months: wholeNumber('--months', months ?? '24', 1, 100),
  }
  return { source, store, isJson: json }
}

function parsed(args: readonly string[]) {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        from: { type: 'string' },
        store: { type: 'string' },
        seed: { type: 'string' },
        accounts: { type: 'string' },
        months: { type: 'string' },
        json: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false, short: 'h' },
      },
    })
    return values
  } catch (error) {
    throw invalid(error instanceof Error ? error.message : String(error))
  }
}

function wholeNumber(name: string, text: string, least: number, most: number) {
  const value = Number(text)
  if (/^\d+$/.test(text) && value >= least && value <= most) return value
  throw invalid(`${name} ${text} is not a whole number from ${least} to ${most}`)
}

function invalid(problem: string) {
  return new ImportFailure('ARGUMENT_INVALID', problem, usage)
}
