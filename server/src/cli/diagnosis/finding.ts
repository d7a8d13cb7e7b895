import { failureFrom } from '../failures.ts'

/** Something worth knowing of a book; a problem makes doctor fail, a note does not. */
export interface Finding {
  readonly level: 'problem' | 'note'
  readonly code: string
  readonly message: string
  /** What to do. */
  readonly hint: string
  readonly facts: { readonly [fact: string]: unknown }
}

/** What was thrown, as a problem. */
export function problemFrom(error: unknown): Finding {
  return { level: 'problem', ...failureFrom(error) }
}

/** A problem in words, its hint that of the code unless one is given. */
export function problem(code: string, message: string, hint: string, facts: Finding['facts'] = {}): Finding {
  return { level: 'problem', code, message, hint, facts }
}
