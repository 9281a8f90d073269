import type { WalletFile } from './programme-schema.ts'
import { type Fault, rising, unique } from './rule-parts.ts'

/** One rule of entitlement at most, its steps in order, and a span where the period is one. */
export function entitlementRules(file: WalletFile, fault: Fault): void {
  const { period, span, perMember, tiers, perHousehold } = file.entitlement
  const rules = Object.entries({ perMember, tiers, perHousehold }).filter(([, rule]) => rule !== undefined)
  if (rules.length > 1) fault('entitlement', `has ${rules.map(([name]) => name).join(' and ')}: one rule is enough`)
  ascending(tiers ?? [], 'entitlement.tiers', false, fault)
  ascending(perHousehold ?? [], 'entitlement.perHousehold', true, fault)
  spanRules(file, fault)
  if (file.drawAheadDays !== undefined) {
    if (period !== 'day') fault('drawAheadDays', 'are for entitlement by day alone')
    ascending(file.drawAheadDays, 'drawAheadDays', true, fault)
  }
  if (file.exclusiveWith !== undefined && period === 'span')
    fault('exclusiveWith', 'is a choice for a month, not a span')
  if (span === undefined && period === 'span') fault('entitlement.span', 'is missing')
  if (span !== undefined && period !== 'span') fault('entitlement.span', 'is for period span alone')
}

function spanRules({ entitlement: { span }, effectiveFrom, effectiveTo }: WalletFile, fault: Fault): void {
  if (span === undefined) return
  if (span.to < span.from) fault('entitlement.span.to', 'must not be before from')
  else if (effectiveFrom < span.from || effectiveFrom > span.to) fault('effectiveFrom', 'must be in the span')
  if (effectiveTo !== undefined && effectiveTo > span.to) fault('effectiveTo', 'must not be after the span')
}

/** Steps by size rise; a last one without limit is required where everybody must find a step. */
function ascending(
  steps: readonly { readonly membersUpTo?: number }[],
  path: string,
  openEnd: boolean,
  fault: Fault,
): void {
  let before = 0
  for (const [index, { membersUpTo }] of steps.entries()) {
    const last = index === steps.length - 1
    if (membersUpTo === undefined) {
      if (!last) fault(`${path}.${index}.membersUpTo`, 'may be missing in the last step alone')
      continue
    }
    if (membersUpTo <= before) fault(`${path}.${index}.membersUpTo`, `must be above ${before} of the step before`)
    before = membersUpTo
    if (last && openEnd) fault(`${path}.${index}.membersUpTo`, 'must be left out in the last step, for any number')
  }
}

/** What each action at the end of a period needs, and nothing that belongs to another. */
export function periodEndRules({ atPeriodEnd: end, code, entitlement }: WalletFile, fault: Fault): void {
  if (end === undefined) return
  const needed: Readonly<Record<string, readonly string[]>> = {
    expire: [],
    convert: ['to', 'piastersPerUnit'],
    carry: ['months'],
  }
  const given = Object.keys(end).filter((key) => key !== 'action')
  const wanted = needed[end.action] ?? []
  for (const key of wanted) if (!given.includes(key)) fault(`atPeriodEnd.${key}`, `is missing: ${end.action} needs it`)
  for (const key of given) if (!wanted.includes(key)) fault(`atPeriodEnd.${key}`, `does not belong to ${end.action}`)
  if (end.to === code) fault('atPeriodEnd.to', 'must be another programme')
  if (end.action === 'carry' && entitlement.period !== 'month') {
    fault('atPeriodEnd.action', 'carry is for entitlement by month alone')
  }
}

/** Counted units have a price on every date, value has none; outlets are paid by unit or by value. */
export function tariffRules(file: WalletFile, fault: Fault): void {
  const { unit, tariff, settlement, outlets, effectiveFrom } = file
  const counted = unit !== 'EGP'
  if (counted && tariff === undefined) fault('tariff', 'is missing: a counted unit needs a price')
  if (!counted && tariff !== undefined) fault('tariff', 'is for counted units alone')
  rising(tariff ?? [], 'tariff', fault)
  if ((tariff?.[0]?.from ?? '') > effectiveFrom) {
    fault('tariff.0.from', 'must not be after effectiveFrom: until then there is no price')
  }
  const seen = new Set<string>()
  for (const [index, step] of (settlement ?? []).entries()) {
    const path = `settlement.${index}`
    const byUnit = step.piastersPerUnit !== undefined
    if (byUnit === (step.permilleOfValue !== undefined)) {
      fault(path, 'needs either piastersPerUnit or permilleOfValue')
    } else if (byUnit !== counted) {
      fault(path, counted ? 'needs piastersPerUnit: units are counted' : 'needs permilleOfValue: value is paid')
    }
    if (!outlets.categories.includes(step.outletCategory)) {
      fault(`${path}.outletCategory`, `${step.outletCategory} is not one of the categories`)
    }
    const key = `${step.from} ${step.outletCategory} ${step.fuel ?? ''}`
    if (seen.has(key)) fault(path, 'repeats date, category and fuel of a step before')
    seen.add(key)
  }
}

/** Goods, partial approvals and split tender are for value. */
export function basketRules({ unit, basket, partialApproval, splitTender }: WalletFile, fault: Fault): void {
  if (unit !== 'EGP') {
    if (basket !== undefined && basket.lines !== 'none') fault('basket.lines', 'must be none: units are counted')
    if (partialApproval) fault('partialApproval', 'is for value alone: units are drawn whole')
    if (splitTender) fault('splitTender', 'is for value alone')
  }
  if (basket?.products === undefined) return
  if (basket.lines === 'none') fault('basket.products', 'need lines')
  unique(basket.products, 'no', 'basket.products', fault)
  unique(basket.products, 'code', 'basket.products', fault)
}
