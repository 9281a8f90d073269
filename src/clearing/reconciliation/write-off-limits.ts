import { MizanError } from '../../errors.ts'
import type { Role } from '../../store/access-users.ts'
import { type BreakName, isBreakName } from './breaks.ts'

/** How much of a break somebody with a role may agree to write off. */
export interface WriteOffLimit {
  readonly role: Role
  /** Absent = every break without a limit of its own. */
  readonly break?: BreakName
  /** Of one exception. */
  readonly piasters: number
  /** Of all that is written off on a day, by whomever; absent = ten times `piasters`. */
  readonly dayPiasters?: number
}

/** Limits as they are configured. @throws MizanError CONFIG_INVALID for one of a break that there is not: it would bind nothing */
export function writeOffLimitsOf(
  limits: readonly (Omit<WriteOffLimit, 'break'> & { readonly break?: string })[],
): readonly WriteOffLimit[] {
  return limits.map(({ break: name, ...limit }) => {
    if (name === undefined) return limit
    if (isBreakName(name)) return { ...limit, break: name }
    const words = `clearing.reconciliation.writeOffLimits: ${name} is no break; docs/reconciliation.md lists them`
    throw new MizanError('CONFIG_INVALID', words)
  })
}

/** Of a day, where a limit does not say it: as often the limit of one exception. */
const DAY_LIMITS = 10

/**
 * Up to how much somebody with these roles may agree to write off of a break, in piasters: of one exception, and of all of a day
 * (of the break, where the limit is one of its own). 0 = nothing.
 */
export function writeOffLimitOf(
  name: BreakName,
  roles: readonly Role[],
  limits: readonly WriteOffLimit[],
): { readonly piasters: number; readonly dayPiasters: number; readonly break: BreakName | undefined } {
  const nothing = { piasters: 0, dayPiasters: 0, break: undefined }
  return roles
    .flatMap((role) => {
      const own = limits.filter((limit) => limit.role === role)
      const found = own.find((limit) => limit.break === name) ?? own.find((limit) => limit.break === undefined)
      if (found === undefined) return []
      const { piasters, dayPiasters = piasters * DAY_LIMITS } = found
      return [{ piasters, dayPiasters, break: found.break }]
    })
    .reduce((most, one) => (one.piasters > most.piasters ? one : most), nothing)
}
