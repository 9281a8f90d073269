import v8 from 'node:v8'
import vm from 'node:vm'

/**
 * Collects garbage: `minor` of the young generation alone, as a busy process does many times between two full
 * collections; `major` all of it.
 */
export function collect(type: 'major' | 'minor'): void {
  v8.setFlagsFromString('--expose-gc')
  const gc = vm.runInNewContext('gc') as (options: { type: 'major' | 'minor' }) => void
  gc({ type })
}

/** What some work moved to the old generation while the young one alone was collected, in bytes. */
export async function agedBy(work: () => void | Promise<void>): Promise<number> {
  collect('major')
  collect('major')
  const before = oldBytes()
  await work()
  collect('minor')
  collect('minor')
  return oldBytes() - before
}

function oldBytes(): number {
  const old = v8.getHeapSpaceStatistics().filter(({ space_name: name }) => name === 'old_space')
  return old.reduce((sum, { space_used_size: bytes }) => sum + bytes, 0)
}
