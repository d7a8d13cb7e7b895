import { appending } from './append.ts'
import { bytes } from './bytes.ts'
import { callerTransactions } from './caller-transactions.ts'
import type { ConformanceGroup } from './case.ts'
import { conditions } from './conditions.ts'
import { eventIds } from './event-ids.ts'
import { expectedVersions } from './expected-versions.ts'
import { fencing } from './fencing.ts'
import { findDocuments } from './find-documents.ts'
import { followingTransactions } from './following-transactions.ts'
import { hashes } from './hashes.ts'
import { idempotency } from './idempotency.ts'
import { inlineSteps } from './inline-steps.ts'
import { leases } from './leases.ts'
import { pageForms } from './page-forms.ts'
import { pages } from './pages.ts'
import { parkedEvents } from './parked-events.ts'
import { persistence } from './persistence.ts'
import { readModelCopies } from './read-model-copies.ts'
import { readModels } from './read-models.ts'
import { readingLog } from './reading-log.ts'
import { readingStreams } from './reading-streams.ts'
import { snapshots } from './snapshots.ts'
import { userSql } from './user-sql.ts'
import { wakeUps } from './wake-ups.ts'

/** Everything a store promises, as cases that can be run against any. */
export const conformanceSuite: readonly ConformanceGroup[] = [
  appending,
  expectedVersions,
  idempotency,
  conditions,
  eventIds,
  readingStreams,
  readingLog,
  bytes,
  pageForms,
  hashes,
  inlineSteps,
  readModels,
  findDocuments,
  pages,
  readModelCopies,
  leases,
  fencing,
  followingTransactions,
  parkedEvents,
  userSql,
  snapshots,
  wakeUps,
  callerTransactions,
  persistence,
]
