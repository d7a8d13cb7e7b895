/** A field in which two documents of one key differ; undefined for a side that lacks it. */
export interface FieldDifference {
  /** Where in the document: `cents`, `address.city`, `lines[2].quantity`. */
  readonly field: string
  readonly serving: unknown
  readonly other: unknown
}

/** All fields in which two documents differ, in the order of the serving one and then of the other. */
export function differencesOf(serving: unknown, other: unknown): readonly FieldDifference[] {
  const found: FieldDifference[] = []
  collect(serving, other, '', found)
  return found
}

function collect(serving: unknown, other: unknown, field: string, found: FieldDifference[]): void {
  if (Object.is(serving, other)) return
  if (Array.isArray(serving) && Array.isArray(other)) {
    for (let index = 0; index < Math.max(serving.length, other.length); index++)
      collect(serving[index], other[index], `${field}[${index}]`, found)
    return
  }
  if (isPlain(serving) && isPlain(other)) {
    const names = new Set([...Object.keys(serving), ...Object.keys(other)])
    for (const name of names)
      collect(fieldOf(serving, name), fieldOf(other, name), field === '' ? name : `${field}.${name}`, found)
    return
  }
  found.push({ field, serving, other })
}

interface Plain {
  readonly [name: string]: unknown
}

function isPlain(value: unknown): value is Plain {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function fieldOf(value: Plain, name: string): unknown {
  return Object.hasOwn(value, name) ? value[name] : undefined
}
