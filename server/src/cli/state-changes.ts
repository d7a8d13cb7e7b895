/** One field of a state that an event changed. */
export interface FieldChange {
  /** `cents`, `address.city`, `items[2].price`; empty for a state that is no object. */
  readonly path: string
  /** Undefined where the field was not there before. */
  readonly before?: unknown
  /** Undefined where the field is there no more. */
  readonly after?: unknown
}

/** Every field in which two states differ, in the order of the new state, fields that went away last. */
export function changesBetween(before: unknown, after: unknown, path = ''): FieldChange[] {
  if (Object.is(before, after)) return []
  if (Array.isArray(before) && Array.isArray(after)) {
    const length = Math.max(before.length, after.length)
    return Array.from({ length }, (_, index) => index).flatMap((index) =>
      changesBetween(before[index], after[index], `${path}[${index}]`),
    )
  }
  if (!isObject(before) || !isObject(after)) return [{ path, before, after }]
  const fields = new Set([...Object.keys(after), ...Object.keys(before)])
  return [...fields].flatMap((field) =>
    changesBetween(before[field], after[field], path === '' ? field : `${path}.${field}`),
  )
}

function isObject(value: unknown): value is { readonly [field: string]: unknown } {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
