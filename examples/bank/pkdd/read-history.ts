import { join } from 'node:path'
import { PkddError } from './errors.ts'
import { readPkddFiles } from './files.ts'
import {
  type History,
  type HistoryAccount,
  type HistoryPerson,
  type HistoryStep,
  type StepKind,
  stepDirections,
} from './history.ts'
import { type OrderedMovement, orderMovements } from './order.ts'
import type { PkddData, PkddOperation, PkddPurpose, TransactionRow } from './rows.ts'

/** Reads a directory of PKDD'99 files as a history. Throws `PkddError`. */
export async function readPkddHistory(directory: string): Promise<History> {
  return toHistory(await readPkddFiles(directory), directory)
}

/**
 * The history in `data`: the accounts that have transactions, by id, and their steps in the bank's order. Throws
 * `PkddError` `InconsistentData` when rows contradict each other; `directory` is named in it.
 */
export function toHistory(data: PkddData, directory = '.'): History {
  const byAccount = Map.groupBy(data.transactions, (row) => row.accountId)
  const steps: HistoryStep[] = []
  for (const [, rows] of [...byAccount].sort(([one], [other]) => one - other)) {
    for (const ordered of orderMovements(rows)) steps.push(toStep(ordered, directory))
  }
  // The sort is stable, so that each account keeps its order.
  steps.sort((one, other) => (one.date < other.date ? -1 : one.date > other.date ? 1 : 0))
  return { accounts: toAccounts(data, byAccount, directory), steps }
}

function toStep(
  { movement, ...comparison }: OrderedMovement<TransactionRow>,
  directory: string,
): HistoryStep {
  const kind = stepKind(movement)
  if (kind === undefined || stepDirections[kind] !== movement.direction) {
    const { direction, operation = 'none', purpose = 'none' } = movement
    const problem = `Direction ${direction}, operation ${operation} and purpose ${purpose} do not go together.`
    throw inconsistent(directory, 'trans', problem, movement.line)
  }
  const purpose = stepPurposes.get(movement.purpose)
  const { transactionId, accountId, date, amountCents, signedCents, statedBalanceCents, partner } = movement
  return {
    transactionId: String(transactionId),
    accountId: String(accountId),
    date,
    kind,
    amountCents,
    signedCents,
    statedBalanceCents,
    ...comparison,
    ...(purpose && { purpose }),
    ...(partner && { counterparty: partner }),
  }
}

/** The bank books its own charges and interest as cash or without an operation; there the purpose tells. */
function stepKind({ operation, purpose }: TransactionRow): StepKind | undefined {
  switch (purpose) {
    case 'interest':
    case 'loanPayment':
    case 'penaltyInterest':
    case 'statementFee':
      return purpose
    default:
      return operation && operationKinds[operation]
  }
}

const operationKinds: Record<PkddOperation, StepKind> = {
  cashDeposit: 'cashDeposit',
  cashWithdrawal: 'cashWithdrawal',
  cardWithdrawal: 'cardWithdrawal',
  collectionFromBank: 'transferIn',
  remittanceToBank: 'transferOut',
}

const stepPurposes = new Map<PkddPurpose | undefined, NonNullable<HistoryStep['purpose']>>([
  ['household', 'household'],
  ['insurance', 'insurance'],
  ['leasing', 'leasing'],
  ['pension', 'pension'],
])

function toAccounts(
  data: PkddData,
  inUse: ReadonlyMap<number, readonly TransactionRow[]>,
  directory: string,
): HistoryAccount[] {
  const districts = new Map(
    data.districts.map((row) => [row.districtId, { name: row.name, region: row.region }]),
  )
  const people = new Map(
    data.clients.map(({ clientId, districtId, bornOn, sex }): [number, HistoryPerson] => {
      const district = districts.get(districtId)
      return [clientId, { personId: String(clientId), bornOn, sex, ...(district && { district }) }]
    }),
  )
  const users = new Map<string, HistoryPerson>()
  for (const { dispositionId, accountId, clientId, role } of data.dispositions) {
    const person = people.get(clientId)
    if (!person) throw inconsistent(directory, 'disp', `Disposition ${dispositionId} is of no known client.`)
    users.set(`${role} ${accountId}`, person)
  }
  const accounts = new Map(data.accounts.map((row) => [row.accountId, row]))
  return [...inUse.keys()]
    .sort((one, other) => one - other)
    .map((accountId) => {
      const account = accounts.get(accountId)
      const owner = users.get(`owner ${accountId}`)
      const disponent = users.get(`disponent ${accountId}`)
      if (!account)
        throw inconsistent(directory, 'account', `Account ${accountId} has transactions but no row.`)
      if (!owner) throw inconsistent(directory, 'disp', `Account ${accountId} has no owner.`)
      const { openedOn, frequency } = account
      return { accountId: String(accountId), openedOn, frequency, owner, ...(disponent && { disponent }) }
    })
}

function inconsistent(directory: string, name: string, problem: string, line?: number): PkddError {
  return new PkddError({
    code: 'InconsistentData',
    path: join(directory, `${name}.asc.gz`),
    ...(line !== undefined && { line }),
    problem,
    hint: 'Make sure that all files are of the same release of the data.',
  })
}
