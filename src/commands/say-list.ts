import type { CommandIo } from './command-io.ts'
import type { CommonOptions } from './common-options.ts'

/** Prints what a command lists: as one JSON array, or a line each. */
export function sayList<T>(
  io: CommandIo,
  { json }: CommonOptions,
  found: readonly T[],
  { none, lineOf }: { readonly none: string; readonly lineOf: (one: T) => string },
): void {
  if (json) io.out(`${JSON.stringify(found)}\n`)
  else io.out(found.length === 0 ? `${none}\n` : found.map((one) => `${lineOf(one)}\n`).join(''))
}
