import type { Random } from '../../src/simulator/random.ts'
import type { Stage } from './stage.ts'

/** Where a fault strikes. */
export type FaultPlace = 'switch' | 'database' | 'database link' | 'acquirer link' | 'resources'

/** A kind of fault. */
export interface FaultKind {
  readonly name: string
  readonly place: FaultPlace
  /** What happens, for people. */
  readonly what: string
  /** Why it cannot be played here, or undefined. */
  readonly unavailable?: (stage: Stage) => string | undefined
  /**
   * Does the harm and mends it, as far as mending is not the switch's own work.
   * @returns what was drawn, for the list of faults
   */
  play(stage: Stage, draw: Random): Promise<string>
}
