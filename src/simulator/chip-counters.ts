import { mkdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { writeWholeFile } from '../whole-file.ts'

/**
 * Last transaction counter (ATC) of each card that a simulator has used, by household. A real chip keeps its own; the
 * simulated ones leave theirs beside the world, so that the next simulator goes on where the last one stopped.
 */
export interface ChipCounters {
  /** 0 for a card that was never used. */
  last(householdId: number): number
  /** Remembers counters; lower ones than are known are ignored. */
  save(counters: ReadonlyMap<number, number>): void
}

/** File of the counters in a data folder. */
export function chipCountersFile(varDir: string): string {
  return path.join(varDir, 'demo', 'chip-counters.json')
}

/** Counters in the data folder of a demo world. A file that is gone counts as empty: the switch then sees replays. */
export function storedChipCounters(varDir: string): ChipCounters {
  const file = chipCountersFile(varDir)
  let known: Record<string, number> | undefined
  return {
    last(householdId) {
      known ??= readCounters(file)
      return known[householdId] ?? 0
    },
    save(counters) {
      // Read again: another simulator may have written meanwhile.
      known = readCounters(file)
      for (const [householdId, atc] of counters) known[householdId] = Math.max(known[householdId] ?? 0, atc)
      mkdirSync(path.dirname(file), { recursive: true })
      writeWholeFile(file, `${JSON.stringify(known)}\n`)
    },
  }
}

function readCounters(file: string): Record<string, number> {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Record<string, number>
  } catch {
    return {}
  }
}
