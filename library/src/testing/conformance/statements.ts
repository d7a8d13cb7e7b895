/** The SQL that the suite runs as a user would, in the words of each dialect. */
export interface UserStatements {
  readonly create: string
  readonly clear: string
  readonly insert: string
  readonly select: string
  readonly broken: string
  /** One statement that returns nothing, and one behind it. */
  readonly several: string
}

/** Texts on a table of the user's own. */
export function userStatements(dialect: 'sqlite' | 'postgres'): UserStatements {
  const place = (index: number): string => (dialect === 'sqlite' ? '?' : `$${index}`)
  const clear = 'DELETE FROM daybook_conformance_entry'
  return {
    create: 'CREATE TABLE IF NOT EXISTS daybook_conformance_entry (id INTEGER PRIMARY KEY, note TEXT)',
    clear,
    insert: `INSERT INTO daybook_conformance_entry (id, note) VALUES (${place(1)}, ${place(2)})`,
    select: `SELECT id, note, id + 1 AS "next Id" FROM daybook_conformance_entry WHERE id > ${place(1)} ORDER BY id`,
    broken: 'SELECT nothing FROM daybook_conformance_entry',
    several: `${clear}; ${clear}`,
  }
}

/** What would end the transaction in which the checkpoint moves. */
export const endings: readonly string[] = [
  'COMMIT',
  '  -- and yet\n /* more */ commit',
  'END',
  'ROLLBACK',
  'BEGIN',
]
