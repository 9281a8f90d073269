import type { KeyName, ProtectedKey } from '../security-module.ts'

/**
 * Life of a key (NIST SP 800-57 part 1, section 7, in the words of this program): made and not yet used; used; no more
 * used, but kept for what it once protected; given up because it may be known to others.
 */
export const keyStatuses = ['pending', 'active', 'retired', 'revoked'] as const
export type KeyStatus = (typeof keyStatuses)[number]

/** A version of a key as it rests: what it is, whether it is used, and its block under the master key. */
export interface KeyRecord extends ProtectedKey {
  readonly name: KeyName
  /** From 1; a rotation adds one. */
  readonly version: number
  readonly status: KeyStatus
  /** Not used before this instant, milliseconds since 1970 UTC. */
  readonly validFromMs: number
  /** Not used from this instant on; undefined = no end. */
  readonly validToMs: number | undefined
  /**
   * Sent to its peer, which has not confirmed it: what comes in may be under it, and nothing is made with it as long as
   * there is another in use.
   */
  readonly announced?: boolean
}

const successors: Readonly<Record<KeyStatus, readonly KeyStatus[]>> = {
  pending: ['active', 'revoked'],
  active: ['retired', 'revoked'],
  retired: ['revoked'],
  revoked: [],
}

/** Whether a key of one status may get another: a life has one direction. */
export function canBecome(from: KeyStatus, to: KeyStatus): boolean {
  return successors[from].includes(to)
}
