import type { ProgrammeFile } from './programme-schema.ts'

/** A field that two versions state differently; undefined where one does not state it. */
export interface ProgrammeDifference {
  /** Dotted; rows of a list that have a code are named by it, others by their place. */
  readonly path: string
  readonly before: unknown
  readonly after: unknown
}

/** What another version states differently, in the order of the fields. */
export function diffProgrammes(before: ProgrammeFile, after: ProgrammeFile): ProgrammeDifference[] {
  const left = leavesOf(before)
  const right = leavesOf(after)
  const paths = [...new Set([...left.keys(), ...right.keys()])]
  return paths
    .filter((path) => left.get(path) !== right.get(path))
    .map((path) => ({ path, before: left.get(path), after: right.get(path) }))
}

function leavesOf(value: unknown, path = '', found = new Map<string, unknown>()): Map<string, unknown> {
  if (Array.isArray(value)) {
    for (const [index, row] of value.entries()) leavesOf(row, `${path}[${labelOf(row) ?? index}]`, found)
  } else if (typeof value === 'object' && value !== null) {
    for (const [key, inner] of Object.entries(value)) leavesOf(inner, path === '' ? key : `${path}.${key}`, found)
  } else found.set(path, value)
  return found
}

/** What tells a row of a list from the others wherever it stands: its code, or the date from which it holds. */
function labelOf(row: unknown): string | undefined {
  if (typeof row !== 'object' || row === null) return typeof row === 'string' ? row : undefined
  const { code, from, outletCategory, fuel } = row as Readonly<Record<string, unknown>>
  if (typeof code === 'string') return code
  if (typeof from !== 'string') return undefined
  return [from, outletCategory, fuel].filter((part) => part !== undefined).join(' ')
}
