import { Random } from '../../src/simulator/random.ts'
import type { FaultKind } from './fault.ts'
import { acquirerLinkFaults, databaseLinkFaults } from './link-faults.ts'
import { processFaults } from './process-faults.ts'
import { resourceFaults } from './resource-faults.ts'

/** All kinds of faults. */
export const faultKinds: readonly FaultKind[] = [
  ...processFaults,
  ...databaseLinkFaults,
  ...acquirerLinkFaults,
  ...resourceFaults,
]

/** A fault that is to be played. */
export interface PlannedFault {
  /** From 1. */
  readonly ordinal: number
  readonly kind: FaultKind
  /** What it draws from: the same whatever the faults before it did. */
  readonly draw: Random
}

/**
 * Draws faults by a seed: in rounds, each kind once a round and in another order each time, so that every kind comes
 * as often as any other and follows on different ones.
 */
export function planFaults(kinds: readonly FaultKind[], count: number, seed: number): PlannedFault[] {
  const random = new Random(seed)
  const plan: PlannedFault[] = []
  while (plan.length < count) {
    for (const kind of shuffled(kinds, random)) {
      if (plan.length === count) break
      const ordinal = plan.length + 1
      plan.push({ ordinal, kind, draw: new Random(seed * 1_000_003 + ordinal) })
    }
  }
  return plan
}

function shuffled<T>(items: readonly T[], random: Random): T[] {
  const list = [...items]
  for (let at = list.length - 1; at > 0; at--) {
    const other = random.integer(0, at)
    const held = list[at] as T
    list[at] = list[other] as T
    list[other] = held
  }
  return list
}
