/** Writes errors.md from the registry: `node docs/reference/write-errors.ts`. */
import { writeFileSync } from 'node:fs'
import { errorRegistry } from 'daybook'

const introduction = `# Errors

Every error that Daybook raises on purpose is a \`DaybookError\`. It has

* \`code\`: one of the names below. Codes never change their meaning; messages may change their words, so never compare messages.
* \`facts\`: what it is about, as fields: the stream, the version expected, the limit and the value.
* \`hint\`: what a person can do about it.
* \`cause\`: the error of the driver or of your own function, where there was one.

\`isDaybookError(error, 'STORE_BUSY')\` narrows. Two have classes of their own, as one branches on them: \`ConcurrencyError\`
(\`CONCURRENCY_CONFLICT\`) and \`ConditionError\` (\`CONDITION_FAILED\`); \`isConflict(error)\` is true for both and means "decide again". A
refusal is not an error, but a result; \`CommandRefusedError\` (\`COMMAND_REFUSED\`) is thrown only where you asked for it.

This page is written by \`node docs/reference/write-errors.ts\` from the registry in the code, and a test compares them.
`

/** The page as it must be. */
export function errorsPage(): string {
  const entries = Object.entries(errorRegistry).map(
    ([code, { meaning, hint }]) => `## ${code}\n\n${meaning}\n\n**What to do.** ${hint}\n`,
  )
  return [introduction, ...entries].join('\n')
}

if (import.meta.main) writeFileSync(new URL('errors.md', import.meta.url), errorsPage())
