import { DaybookError } from './errors.ts'
import { printable } from './limits.ts'

/**
 * The part of Standard Schema (https://standardschema.dev, version 1) that Daybook uses. Zod, Valibot, ArkType and
 * others implement it, so none of them is a dependency.
 */
export interface Schema<Input = unknown, Output = Input> {
  readonly '~standard': {
    readonly version: 1
    readonly vendor: string
    readonly validate: (value: unknown) => SchemaResult<Output> | Promise<SchemaResult<Output>>
    readonly types?: { readonly input: Input; readonly output: Output } | undefined
  }
}

export type SchemaResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly SchemaIssue[] }

export interface SchemaIssue {
  readonly message: string
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined
}

/** Validates a value; throws `EVENT_INVALID` with every issue, or `SCHEMA_ASYNC`. `subject` says what is validated. */
export function validated(schema: Schema, value: unknown, subject: string): unknown {
  const result = schema['~standard'].validate(value)
  if (result instanceof Promise) {
    result.catch(() => undefined)
    throw new DaybookError('SCHEMA_ASYNC', `the schema of ${subject} validates asynchronously`, { subject })
  }
  if (result.issues === undefined) return result.value
  const issues = result.issues.map((issue) => ({ path: pathOf(issue), message: issue.message }))
  const listed = issues.map((issue) => `${issue.path || 'data'}: ${issue.message}`).join('; ')
  throw new DaybookError('EVENT_INVALID', `${subject} does not satisfy its schema: ${listed}`, {
    subject,
    issues,
  })
}

/** True for anything that carries a Standard Schema; ArkType's are functions. */
export function isSchema(value: unknown): value is Schema {
  return (typeof value === 'object' || typeof value === 'function') && value !== null && '~standard' in value
}

function pathOf(issue: SchemaIssue): string {
  const steps = issue.path ?? []
  return steps.map((step) => String(typeof step === 'object' ? step.key : step)).join('.')
}

/** The message for something that should be a schema and is not. */
export function notASchema(subject: string, value: unknown): DaybookError {
  return new DaybookError(
    'DEFINITION_INVALID',
    `${subject} must be a Standard Schema (Zod, Valibot, ArkType …) or event(schema, …), not ${printable(value)}`,
    { subject },
  )
}
