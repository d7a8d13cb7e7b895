import type { ConformanceCase, Deviations, StoreFactory } from './case.ts'
import { ConformanceContext } from './context.ts'
import { conformanceSuite } from './suite.ts'

/** What to run and what to expect of it. */
export interface ConformanceOptions {
  readonly deviations?: Deviations
  /** Runs only the cases of these names. */
  readonly only?: readonly string[]
  /** How long a case may take, in ms; 60,000 unless given. */
  readonly timeoutMs?: number
}

/** How a store fared. */
export interface ConformanceReport {
  readonly passed: readonly string[]
  readonly failed: readonly { readonly name: string; readonly error: Error }[]
  readonly skipped: readonly { readonly name: string; readonly reason: string }[]
}

/** Runs the suite on fresh stores, one case after another, and tells the outcome of each; it never rejects. */
export async function runConformance(
  factory: StoreFactory,
  options: ConformanceOptions = {},
): Promise<ConformanceReport> {
  const report = {
    passed: [] as string[],
    failed: [] as { name: string; error: Error }[],
    skipped: [] as { name: string; reason: string }[],
  }
  const cases = conformanceSuite.flatMap((group) => group.cases)
  for (const single of cases.filter(({ name }) => options.only?.includes(name) ?? true)) {
    const { name } = single
    const reason = options.deviations?.[name]
    try {
      if (reason === undefined) {
        await runCase(single, factory, options.timeoutMs)
        report.passed.push(name)
      } else {
        await runDeviation(single, factory, options.timeoutMs)
        report.skipped.push({ name, reason })
      }
    } catch (error) {
      report.failed.push({ name, error: error instanceof Error ? error : new Error(String(error)) })
    }
  }
  for (const name of unknownDeviations(options.deviations ?? {})) {
    report.failed.push({ name, error: new Error(`no case is called ${JSON.stringify(name)}`) })
  }
  return report
}

/** Runs one case on a fresh store; rejects when the store does not keep its promise. */
export async function runCase(
  { name, run }: ConformanceCase,
  factory: StoreFactory,
  timeoutMs = 60_000,
): Promise<void> {
  const book = new ConformanceContext(await factory())
  try {
    await within(
      timeoutMs,
      name,
      book.open().then(() => run(book)),
    )
  } finally {
    await within(timeoutMs, `closing after "${name}"`, book.dispose())
  }
}

async function within(timeoutMs: number, what: string, work: Promise<unknown>): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: not over after ${timeoutMs} ms`)), timeoutMs)
  })
  try {
    await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}

/** Runs a case that the store deviates from; rejects when it passes, so that no deviation outlives its reason. */
export async function runDeviation(
  single: ConformanceCase,
  factory: StoreFactory,
  timeoutMs?: number,
): Promise<void> {
  try {
    await runCase(single, factory, timeoutMs)
  } catch {
    return
  }
  throw new Error(`the store passes "${single.name}": take it out of the deviations`)
}

/** Names among the deviations that no case has. */
export function unknownDeviations(deviations: Deviations): readonly string[] {
  const known = new Set(conformanceSuite.flatMap((group) => group.cases.map(({ name }) => name)))
  return Object.keys(deviations).filter((name) => !known.has(name))
}
