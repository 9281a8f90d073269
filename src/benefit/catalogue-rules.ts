import type { Problem } from '../schema-problems.ts'
import { SHARED_ACCOUNT_CODE } from './programme-rules.ts'
import type { ProgrammeFile, WalletFile } from './programme-schema.ts'

/** What is wrong with a version in the company of others. */
export interface CatalogueProblem extends Problem {
  readonly code: string
  readonly version: number
}

type Fault = (file: ProgrammeFile, path: string, message: string) => void

/** What versions of programmes must keep to each other. Each must be sound by itself. */
export function catalogueRules(files: readonly ProgrammeFile[]): CatalogueProblem[] {
  const problems: CatalogueProblem[] = []
  const fault: Fault = ({ code, version }, path, message) => problems.push({ code, version, path, message })
  const byCode = new Map<string, ProgrammeFile[]>()
  for (const file of files) byCode.set(file.code, [...(byCode.get(file.code) ?? []), file])
  for (const versions of byCode.values()) {
    versions.sort((a, b) => a.version - b.version)
    for (const [index, file] of versions.entries()) {
      const before = versions[index - 1]
      if (before !== undefined) successionRules(before, file, fault)
    }
  }
  const latest = [...byCode.values()].map((versions) => versions.at(-1) as ProgrammeFile)
  numbersApart(latest, fault)
  for (const file of latest) if (file.kind === 'wallet') referenceRules(file, byCode, fault)
  // What decides together changes on these dates alone.
  const dates = [...new Set(files.map(({ effectiveFrom }) => effectiveFrom))].sort()
  const told = new Set<string>()
  for (const date of dates) companyRules(decidingOn(byCode, date), told, fault)
  return problems
}

/** What stays the same from version to version, and what rises. */
function successionRules(before: ProgrammeFile, file: ProgrammeFile, fault: Fault): void {
  if (file.version === before.version) {
    fault(file, 'version', `${file.version} is there already`)
    return
  }
  if (file.effectiveFrom <= before.effectiveFrom) {
    fault(file, 'effectiveFrom', `must be after ${before.effectiveFrom} of version ${before.version}`)
  }
  const same = (path: string, was: unknown, is: unknown) => {
    if (was !== is) fault(file, path, `is ${was} in version ${before.version} and never changes`)
  }
  same('kind', before.kind, file.kind)
  same('number', before.number, file.number)
  if ('accountCode' in before && 'accountCode' in file) same('accountCode', before.accountCode, file.accountCode)
  if (before.kind === 'wallet' && file.kind === 'wallet') {
    same('unit', before.unit, file.unit)
    same('entitlement.period', before.entitlement.period, file.entitlement.period)
    // The first month of a span is the number of its period.
    same('entitlement.span.from', before.entitlement.span?.from, file.entitlement.span?.from)
    numbersKept(before.basket?.products ?? [], file.basket?.products ?? [], 'basket.products', file, fault)
  }
  if (before.kind === 'cover' && file.kind === 'cover') {
    numbersKept(before.services, file.services, 'services', file, fault)
  }
}

interface Numbered {
  readonly no: number
  readonly code: string
}

/** Numbers of products and services are counters of households: one goes with one code for good. */
function numbersKept(
  before: readonly Numbered[],
  rows: readonly Numbered[],
  path: string,
  file: ProgrammeFile,
  fault: Fault,
): void {
  const codes = new Map(before.map(({ no, code }) => [no, code]))
  for (const [index, { no, code }] of rows.entries()) {
    const was = codes.get(no)
    if (was !== undefined && was !== code) fault(file, `${path}.${index}.no`, `${no} is ${was} and never another`)
  }
}

/** A number is a part of account numbers: no two programmes ever have the same. */
function numbersApart(latest: readonly ProgrammeFile[], fault: Fault): void {
  const owners = new Map<number, string>()
  for (const file of latest) {
    const owner = owners.get(file.number)
    if (owner !== undefined) fault(file, 'number', `${file.number} is that of ${owner}`)
    else owners.set(file.number, file.code)
  }
}

function referenceRules(file: WalletFile, byCode: ReadonlyMap<string, readonly ProgrammeFile[]>, fault: Fault): void {
  const walletOf = (code: string) => {
    const found = byCode.get(code)?.at(-1)
    return found?.kind === 'wallet' ? found : undefined
  }
  const { exclusiveWith, atPeriodEnd } = file
  if (exclusiveWith !== undefined) {
    const other = walletOf(exclusiveWith)
    if (other === undefined) fault(file, 'exclusiveWith', `${exclusiveWith} is no programme of kind wallet`)
    else if (other.exclusiveWith !== file.code) {
      fault(file, 'exclusiveWith', `${exclusiveWith} does not exclude ${file.code}: publish both together`)
    }
  }
  if (atPeriodEnd?.action === 'convert' && atPeriodEnd.to !== undefined) {
    const target = walletOf(atPeriodEnd.to)
    if (target === undefined) fault(file, 'atPeriodEnd.to', `${atPeriodEnd.to} is no programme of kind wallet`)
    else if (target.unit !== 'EGP') fault(file, 'atPeriodEnd.to', `${atPeriodEnd.to} does not count piasters`)
    else if (target.entitlement.period !== 'month') fault(file, 'atPeriodEnd.to', `${atPeriodEnd.to} is not by month`)
  }
}

function decidingOn(byCode: ReadonlyMap<string, readonly ProgrammeFile[]>, date: string): ProgrammeFile[] {
  return [...byCode.values()].flatMap((versions) => {
    const file = versions.findLast(({ effectiveFrom }) => effectiveFrom <= date)
    const last = file === undefined ? '' : lastDateOf(file)
    return file === undefined || last < date ? [] : [file]
  })
}

function lastDateOf(file: ProgrammeFile): string {
  const span = file.kind === 'wallet' ? file.entitlement.span?.to : undefined
  return file.effectiveTo ?? span ?? '9999-12-31'
}

/** What programmes that decide on the same date may not share. */
function companyRules(files: readonly ProgrammeFile[], told: Set<string>, fault: Fault): void {
  const claims = new Map<string, ProgrammeFile>()
  const claim = (what: string, file: ProgrammeFile, path: string, message: (owner: string) => string) => {
    const owner = claims.get(what)
    if (owner === undefined) claims.set(what, file)
    const key = `${what} ${file.code} ${file.version}`
    if (owner === undefined || told.has(key)) return
    told.add(key)
    fault(file, path, message(owner.code))
  }
  // The youngest version is the one at fault.
  for (const file of [...files].sort((a, b) => (a.effectiveFrom < b.effectiveFrom ? -1 : 1))) {
    if (file.kind === 'cover') claim('cover', file, 'kind', (owner) => `${owner} is the cover of these dates already`)
    if ('accountCode' in file && file.accountCode !== SHARED_ACCOUNT_CODE) {
      const { accountCode } = file
      claim(`account ${accountCode}`, file, 'accountCode', (owner) => `${accountCode} names ${owner} already`)
    }
    if (!('outlets' in file)) continue
    for (const [index, category] of (file.outlets.defaultFor ?? []).entries()) {
      const what = (owner: string) => `a ${category} means ${owner} already`
      claim(`default ${category}`, file, `outlets.defaultFor.${index}`, what)
    }
  }
}
