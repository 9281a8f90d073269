import { DATE_FORM, readDate } from '../calendar.ts'
import type { Problem } from '../schema-problems.ts'
import type { CoverFile, PaymentFile, ProgrammeFile, WalletFile } from './programme-schema.ts'
import { type Fault, rising, unique } from './rule-parts.ts'
import { basketRules, entitlementRules, periodEndRules, tariffRules } from './wallet-rules.ts'

/** Account code that several grants may share; every other names one programme. */
export const SHARED_ACCOUNT_CODE = '95'

/**
 * What a schema cannot say of a file: dates that exist and follow each other, and fields that need or exclude each
 * other. The file must follow its schema.
 */
export function programmeRules(file: ProgrammeFile): Problem[] {
  const problems: Problem[] = []
  const fault: Fault = (path, message) => problems.push({ path, message })
  const datesExist = dateRules(file, '', fault)
  // What follows compares dates.
  if (!datesExist) return problems
  if (file.effectiveTo !== undefined && file.effectiveTo < file.effectiveFrom) {
    fault('effectiveTo', 'must not be before effectiveFrom')
  }
  if (file.kind !== 'credit') outletRules(file, fault)
  if ('accountCode' in file && file.accountCode === SHARED_ACCOUNT_CODE && !('unit' in file && file.unit === 'EGP')) {
    fault('accountCode', `${SHARED_ACCOUNT_CODE} is shared by wallets that count piasters`)
  }
  if (file.kind === 'wallet') walletRules(file, fault)
  if (file.kind === 'cover') coverRules(file, fault)
  return problems
}

/** Fields that are dates, wherever they stand. */
const dateFields = new Set(['effectiveFrom', 'effectiveTo', 'from', 'to'])

function dateRules(value: unknown, path: string, fault: Fault): boolean {
  if (typeof value !== 'object' || value === null) return true
  let sound = true
  for (const [key, inner] of Object.entries(value)) {
    const at = path === '' ? key : `${path}.${key}`
    if (typeof inner === 'string' && dateFields.has(key) && inner.includes('-') && !isWritten(inner)) {
      // A code of a programme (`atPeriodEnd.to`) is no date.
      if (at === 'atPeriodEnd.to') continue
      fault(at, `${inner} is not ${DATE_FORM}`)
      sound = false
    }
    if (!dateRules(inner, at, fault)) sound = false
  }
  return sound
}

function isWritten(text: string): boolean {
  return readDate(text) !== undefined
}

function outletRules({ outlets }: WalletFile | CoverFile | PaymentFile, fault: Fault): void {
  const { categories, defaultFor, exceptions, hours, issuingGovernorateOnly } = outlets
  for (const [index, category] of (defaultFor ?? []).entries()) {
    if (!categories.includes(category)) fault(`outlets.defaultFor.${index}`, `${category} is not one of the categories`)
  }
  if (hours !== undefined && hours.to <= hours.from) fault('outlets.hours.to', 'must be after from')
  if (exceptions !== undefined && !issuingGovernorateOnly) {
    fault('outlets.exceptions', 'are from issuingGovernorateOnly, which is not set')
  }
  for (const [index, { from, to }] of (exceptions ?? []).entries()) {
    if (to < from) fault(`outlets.exceptions.${index}.to`, 'must not be before from')
  }
}

function walletRules(file: WalletFile, fault: Fault): void {
  entitlementRules(file, fault)
  periodEndRules(file, fault)
  tariffRules(file, fault)
  basketRules(file, fault)
  const { verification, exclusiveWith, code } = file
  if (verification?.required === true && verification.accept.length === 0) {
    fault('verification.accept', 'must name a way when one is required')
  }
  if (exclusiveWith === code) fault('exclusiveWith', 'must be another programme')
}

function coverRules({ verification, services, effectiveFrom }: CoverFile, fault: Fault): void {
  const [first, second] = verification.accept
  const isLadder = first === 'fingerprint' && (second === undefined || second === 'exception')
  if (!verification.required || !isLadder || verification.accept.length > 2) {
    fault('verification', 'of a cover must require the fingerprint, and may take an exception for want of one')
  }
  unique(services, 'no', 'services', fault)
  unique(services, 'code', 'services', fault)
  const seen = new Set<string>()
  for (const [index, { mccs, rates }] of services.entries()) {
    for (const [place, mcc] of mccs.entries()) {
      if (seen.has(mcc)) fault(`services.${index}.mccs.${place}`, `${mcc} already means another service`)
      seen.add(mcc)
    }
    rising(rates, `services.${index}.rates`, fault)
    if ((rates[0]?.from ?? '') > effectiveFrom) {
      fault(`services.${index}.rates.0.from`, 'must not be after effectiveFrom: until then there is no rate')
    }
  }
}
