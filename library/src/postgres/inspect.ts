import { isDaybookError } from '../core/errors.ts'
import type { StoreReport } from '../core/ports/store.ts'
import type { ServerAddress } from './connection.ts'
import { problemsIn } from './diagnosing.ts'
import { holderText } from './lock-holders.ts'
import { type Observed, observe } from './observing.ts'
import type { LogStatements } from './statements.ts'

/** The book that is looked at, and what it was opened for. */
export interface Inspection {
  readonly schema: string
  readonly sql: LogStatements
  /** False when its appends do not wait for the disk. */
  readonly isDurable: boolean
  /** True when a setting of the server that loses appends does no harm, or was asked for by name. */
  readonly mayBeUnsafe: boolean
}

/** What a store can tell of itself. */
export async function inspect(
  address: ServerAddress,
  { schema, sql, isDurable, mayBeUnsafe }: Inspection,
): Promise<StoreReport> {
  let observed: Observed
  try {
    observed = await observe(address, schema, sql)
  } catch (error) {
    // A disk may be so full that the server cannot even begin a session: that is a finding.
    if (!isDaybookError(error, 'STORE_FULL')) throw error
    const { code, message, hint } = error
    return { facts: { store: 'postgres', schema }, problems: [{ code, message, hint }] }
  }
  return { facts: factsOf(observed, schema, isDurable), problems: problemsIn(observed, mayBeUnsafe) }
}

/** In the order in which a person should read them; what there is nothing of is left out. */
function factsOf(observed: Observed, schema: string, isDurable: boolean): StoreReport['facts'] {
  const { server, head, bytes, partitions, connections, transactions, holders, derived } = observed
  const [oldest] = transactions
  return {
    store: 'postgres',
    database: server.database,
    schema,
    schemaVersion: observed.schemaVersion,
    events: head,
    bytes,
    ...(head < 1_000 ? {} : { bytesPerEvent: Math.round(bytes / head) }),
    ...(partitions === 0 ? {} : { partitions }),
    server: server.version,
    user: server.user,
    rights: observed.rights,
    isReplica: server.isReplica,
    isDurable: isDurable && observed.unsafe.length === 0,
    synchronousCommit: server.synchronousCommit,
    fsync: server.fsync,
    fullPageWrites: server.fullPageWrites,
    ...(observed.unsafe.length === 0 ? {} : { unsafeSettings: observed.unsafe.join(', ') }),
    ...(server.synchronousStandbyNames === ''
      ? {}
      : { synchronousStandbyNames: server.synchronousStandbyNames }),
    connections: `${connections.used} of ${connections.most}`,
    ...(oldest === undefined
      ? {}
      : {
          oldestTransaction: `${(oldest.openMs / 1_000).toFixed(1)} s, process ${oldest.pid}, ${oldest.state}`,
        }),
    ...(holders.length === 0 ? {} : { lockHolder: holders.map(holderText).join('; ') }),
    deadRows: `${derived.deadRows} beside ${derived.rows}`,
    lastVacuum: derived.vacuumedAt,
    ...(observed.checkedFrom === 1 ? {} : { indexesCheckedFrom: observed.checkedFrom }),
  }
}
