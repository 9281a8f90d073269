import type { CivilDate } from '../calendar.ts'

/**
 * When a card that was handed out begins to work. The sources disagree, so it is data by governorate and date
 * (product.md, "Decisions"): at once; from a date on, after the distribution; or with the first right PIN.
 */
export type ActivationPolicy =
  | { readonly when: 'on-collection' }
  | { readonly when: 'on-date'; readonly date: CivilDate }
  | { readonly when: 'on-first-pin' }

export const activationMoments = ['on-collection', 'on-date', 'on-first-pin'] as const

/** A policy with where and from when it holds. */
export interface DatedPolicy {
  /** Undefined for all governorates that have none of their own. */
  readonly governorate: string | undefined
  readonly from: CivilDate
  readonly policy: ActivationPolicy
}

/** The policy for a card collected on a date: the governorate's own before the common one, the latest of each. */
export function policyFor(policies: readonly DatedPolicy[], governorate: string, date: CivilDate): ActivationPolicy {
  const held = policies.filter((one) => one.from <= date)
  const own = held.filter((one) => one.governorate === governorate)
  const common = held.filter((one) => one.governorate === undefined)
  const [latest] = (own.length > 0 ? own : common).toSorted((a, b) => b.from - a.from)
  return latest?.policy ?? { when: 'on-collection' }
}

/** Whether a card that is collected now works at once. */
export function isActiveOnCollection(policy: ActivationPolicy, today: CivilDate): boolean {
  return policy.when === 'on-collection' || (policy.when === 'on-date' && policy.date <= today)
}

/** Why a collected card is not activated now, in words; undefined when it is. */
export function activationRefusal(
  policy: ActivationPolicy,
  today: CivilDate,
  hasRightPin: boolean,
): string | undefined {
  if (policy.when === 'on-date' && today < policy.date)
    return 'cards of this governorate are not active before the day set'
  if (policy.when === 'on-first-pin' && !hasRightPin) return 'the card becomes active with its first right PIN'
  return undefined
}
