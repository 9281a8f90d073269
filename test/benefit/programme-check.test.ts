import { deepStrictEqual } from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import { checkProgramme, readProgramme, requireProgrammes } from '../../src/benefit/programme-check.ts'
import { compileProgramme } from '../../src/benefit/programme-compile.ts'
import type { ProgrammeFile } from '../../src/benefit/programme-schema.ts'
import { shippedProgrammes } from '../../src/benefit/shipped-programmes.ts'
import { programmeFiles } from './arbitraries.ts'

type Json = Record<string, unknown>

/** A shipped programme as its file states it, changed. */
function changed(code: string, change: (file: Json) => void): Json {
  const file = structuredClone(shippedProgrammes.find((one) => one.code === code)) as unknown as Json
  change(file)
  return JSON.parse(JSON.stringify(file))
}

/** Sets or, with undefined, deletes what stands at a path. */
function putAt(path: readonly string[], value: unknown): (file: Json) => void {
  return (file) => {
    const last = path.at(-1) ?? ''
    let node = file
    for (const key of path.slice(0, -1)) node = node[key] as Json
    // The length of a list is no key of a file.
    if (Array.isArray(node) && last === 'length') return
    if (value === undefined) delete node[last]
    else Object.defineProperty(node, last, { value, enumerable: true, configurable: true, writable: true })
  }
}

const put = (path: string, value: unknown) => putAt(path.split('.'), value)

function problemsOf(content: unknown, others?: readonly ProgrammeFile[]): string[] {
  return checkProgramme(content, others).problems.map(({ path, message }) => `${path} ${message}`)
}

t.test('each rule names the path, what is wrong and what would be right', async (t) => {
  const oneStep = { from: '2024-06-01', piasters: 20 }
  const faults: [string, string, unknown, string][] = [
    ['bread', 'kind', 'walet', 'kind must be one of wallet, cover, credit, payment'],
    ['bread', 'number', 100, 'number must be <= 99, not 100'],
    ['bread', 'number', '1', 'number must be an integer, not a string'],
    ['bread', 'unit', 'LITRE', 'unit must be one of EGP, LOAF, KG'],
    ['bread', 'cash', 'sometimes', 'cash must be "never"'],
    ['bread', 'accountCode', '9', 'accountCode must be an account code of DE3, 90 to 99'],
    ['bread', 'code', undefined, 'code is missing'],
    ['bread', 'effectiveFrom', '1 June 2024', 'effectiveFrom must be a date, written yyyy-mm-dd'],
    ['bread', 'effectiveFrom', '2026-02-30', 'effectiveFrom 2026-02-30 is not a date that exists'],
    ['bread', 'effectiveTo', '9999-12-31', 'effectiveTo 9999-12-31 is not a date that exists'],
    ['bread', 'effectiveTo', '2021-12-31', 'effectiveTo must not be before effectiveFrom'],
    ['bread', 'drawAheadDay', [], 'drawAheadDay is not a known field (did you mean drawAheadDays?)'],
    ['bread', 'outlets.categorys', [], 'outlets.categorys is not a known field (did you mean outlets.categories?)'],
    ['bread', 'entitlement.tiers', [{ perMember: 1 }], 'entitlement has perMember and tiers: one rule is enough'],
    ['bread', 'drawAheadDays.1.membersUpTo', 2, 'drawAheadDays.1.membersUpTo must be above 3 of the step before'],
    ['bread', 'drawAheadDays.0.membersUpTo', undefined, 'drawAheadDays.0.membersUpTo may be missing in the last'],
    ['bread', 'drawAheadDays.1.membersUpTo', 9, 'drawAheadDays.1.membersUpTo must be left out in the last step'],
    ['bread', 'entitlement.period', 'month', 'drawAheadDays are for entitlement by day alone'],
    ['bread', 'entitlement.period', 'span', 'entitlement.span is missing'],
    ['bread', 'tariff', undefined, 'tariff is missing: a counted unit needs a price'],
    ['bread', 'tariff', [oneStep, oneStep], 'tariff.1.from must be after 2024-06-01 of the step before'],
    ['bread', 'tariff.0.from', '2022-01-02', 'tariff.0.from must not be after effectiveFrom'],
    ['bread', 'tariff.0.piasters', 0, 'tariff.0.piasters must be >= 1, not 0'],
    ['bread', 'atPeriodEnd.to', undefined, 'atPeriodEnd.to is missing: convert needs it'],
    ['bread', 'atPeriodEnd.months', 1, 'atPeriodEnd.months does not belong to convert'],
    ['bread', 'atPeriodEnd.to', 'bread', 'atPeriodEnd.to must be another programme'],
    ['bread', 'atPeriodEnd', { action: 'carry', months: 1 }, 'atPeriodEnd.action carry is for entitlement by month'],
    ['bread', 'partialApproval', true, 'partialApproval is for value alone'],
    ['bread', 'splitTender', true, 'splitTender is for value alone'],
    ['bread', 'basket', { lines: 'required' }, 'basket.lines must be none'],
    ['bread', 'exclusiveWith', 'bread', 'exclusiveWith must be another programme'],
    ['bread', 'outlets.defaultFor', ['shop'], 'outlets.defaultFor.0 shop is not one of the categories'],
    ['bread', 'outlets.hours.to', '04:00', 'outlets.hours.to must be after from'],
    ['bread', 'outlets.hours.to', '24:00', 'outlets.hours.to must be a time, written HH:MM'],
    ['bread', 'outlets.issuingGovernorateOnly', false, 'outlets.exceptions are from issuingGovernorateOnly'],
    ['bread', 'outlets.exceptions.0.to', '2024-06-14', 'outlets.exceptions.0.to must not be before from'],
    [
      'bread',
      'outlets.exceptions.0.governorates.0',
      'Alex',
      'outlets.exceptions.0.governorates.0 must be a governorate',
    ],
    ['bread', 'settlement.0.outletCategory', 'shop', 'settlement.0.outletCategory shop is not one of the categories'],
    ['bread', 'settlement.0.permilleOfValue', 1, 'settlement.0 needs either piastersPerUnit or permilleOfValue'],
    ['bread', 'verification', { accept: [], required: true }, 'verification.accept must name a way'],
    ['ration', 'tariff', [oneStep], 'tariff is for counted units alone'],
    ['ration', 'accountCode', '95', ''],
    ['ration', 'basket.lines', 'none', 'basket.products need lines'],
    ['ration', 'basket.products.1.no', 1, 'basket.products.1.no 1 is that of basket.products.0 already'],
    ['ration', 'basket.products.2.code', 'OIL-800ML', 'basket.products.2.code OIL-800ML is that of basket.products.0'],
    ['ration', 'settlement.0.piastersPerUnit', 1, 'settlement.0 needs either'],
    ['flour', 'accountCode', '95', 'accountCode 95 is shared by wallets that count piasters'],
    ['ramadan-2027', 'effectiveFrom', '2027-01-31', 'effectiveFrom must be in the span'],
    ['ramadan-2027', 'effectiveTo', '2027-04-01', 'effectiveTo must not be after the span'],
    ['ramadan-2027', 'entitlement.span.to', '2027-01-01', 'entitlement.span.to must not be before from'],
    ['health', 'verification.required', false, 'verification of a cover must require the fingerprint'],
    ['health', 'verification.accept', ['pin'], 'verification of a cover must require the fingerprint'],
    ['health', 'services.1.no', 1, 'services.1.no 1 is that of services.0 already'],
    ['health', 'services.1.mccs', ['8062'], 'services.1.mccs.0 8062 already means another service'],
    ['health', 'services.0.rates.0.from', '2023-02-01', 'services.0.rates.0.from must not be after effectiveFrom'],
    ['health', 'services.0.rates.0.percent', 101, 'services.0.rates.0.percent must be <= 100, not 101'],
    ['pension', 'credit.maxPiasters', 0, 'credit.maxPiasters must be >= 1, not 0'],
    ['utility-bill', 'payment.mccs', ['49'], 'payment.mccs.0 must be an MCC: four digits'],
  ]
  for (const [code, path, value, expected] of faults) {
    const told = problemsOf(changed(code, put(path, value)))
    if (expected === '') t.same(told, [], `${code} ${path} may be so`)
    else
      t.ok(
        told.some((problem) => problem.startsWith(expected)),
        `${expected}: ${told.join('; ')}`,
      )
  }
})

t.test('all faults are told at once', async (t) => {
  const file = changed('bread', (one) => {
    put('unti', 'LOAF')(one)
    put('number', 0)(one)
    put('name.ar', undefined)(one)
  })
  t.equal(problemsOf(file).length, 3)
  t.throws(() => readProgramme(file), { code: 'PROGRAMME_INVALID', message: /unti.*did you mean unit\?/ })
  for (const content of [null, [], 'bread', 7, {}]) t.equal(problemsOf(content).length, 1)
})

t.test('versions of a programme keep what accounts and counters are made of', async (t) => {
  const second = (code: string, path: string, value: unknown) =>
    problemsOf(
      changed(code, (file) => {
        put('version', 2)(file)
        put('effectiveFrom', code === 'ramadan-2027' ? '2027-02-15' : '2026-12-01')(file)
        put(path, value)(file)
      }),
      shippedProgrammes,
    )
  t.same(second('bread', 'entitlement.perMember', 4), [])
  t.same(second('ramadan-2027', 'entitlement.span.to', '2027-05-31'), [], 'a grant may be extended')
  t.match(second('bread', 'number', 11), ['number is 1 in version 1 and never changes'])
  t.match(second('bread', 'accountCode', '97'), ['accountCode is 92 in version 1'])
  t.match(second('bread', 'version', 1), ['version 1 is there already'])
  t.match(second('bread', 'effectiveFrom', '2022-01-01'), ['effectiveFrom must be after 2022-01-01 of version 1'])
  t.match(second('flour', 'unit', 'LOAF'), ['unit is KG in version 1'])
  t.match(second('ration', 'basket.products.0.no', 99), [], 'a product may get another number')
  t.match(second('ration', 'basket.products.0.code', 'GHEE'), ['basket.products.0.no 1 is OIL-800ML and never another'])
  t.match(second('health', 'services.0.code', 'XX'), ['services.0.no 1 is IN and never another'])
  t.match(second('ramadan-2027', 'entitlement.span.from', '2027-02-02'), ['entitlement.span.from is 2027-02-01'])
})

t.test('programmes do not share what is one programme’s', async (t) => {
  const other = (change: (file: Json) => void, base = 'ration') =>
    problemsOf(
      changed(base, (file) => {
        put('code', 'other')(file)
        put('number', 33)(file)
        if ('accountCode' in file) put('accountCode', '97')(file)
        delete (file.outlets as Json | undefined)?.defaultFor
        change(file)
      }),
      shippedProgrammes,
    )
  t.same(
    other(() => undefined),
    [],
  )
  t.same(other(put('number', 4)), ['number 4 is that of ration'])
  t.same(other(put('accountCode', '91')), ['accountCode 91 names ration already'])
  t.same(other(put('accountCode', '95')), [], 'grants share theirs')
  t.same(other(put('outlets.defaultFor', ['grocer'])), ['outlets.defaultFor.0 a grocer means ration already'])
  t.same(other(put('exclusiveWith', 'cake')), ['exclusiveWith cake is no programme of kind wallet'])
  t.match(other(put('exclusiveWith', 'bread')), ['exclusiveWith bread does not exclude other'])
  t.same(other(put('atPeriodEnd', { action: 'convert', to: 'bread', piastersPerUnit: 1 })), [
    'atPeriodEnd.to bread does not count piasters',
  ])
  t.same(
    other(() => undefined, 'health'),
    ['kind health is the cover of these dates already'],
  )
  const first = changed('flour', put('exclusiveWith', undefined)) as unknown as ProgrammeFile
  const rest = shippedProgrammes.filter(({ code }) => code !== 'flour')
  t.throws(() => requireProgrammes([...rest, first]), {
    code: 'PROGRAMME_INVALID',
    message: /bread version 1: exclusiveWith flour does not exclude bread/,
  })
})

t.test('any valid file compiles, and reads back as itself', async () => {
  fc.assert(
    fc.property(programmeFiles, (content) => {
      const { file, problems } = checkProgramme(content)
      if (file === undefined) throw new Error(JSON.stringify(problems))
      const again = checkProgramme(JSON.parse(JSON.stringify(file)))
      deepStrictEqual(again.file, file)
      const compiled = compileProgramme(file)
      if (compiled.kind !== file.kind || compiled.number !== file.number) throw new Error('another programme')
    }),
    { numRuns: 200 },
  )
})

t.test('a file with anything in it gives faults with paths, and never fails otherwise', async (t) => {
  const pathsOf = (value: unknown, at: readonly string[]): (readonly string[])[] =>
    typeof value !== 'object' || value === null
      ? [at]
      : [at, ...Object.entries(value).flatMap(([key, inner]) => pathsOf(inner, [...at, key]))]
  const spots = shippedProgrammes.flatMap((file) =>
    pathsOf(file, [])
      .slice(1)
      .map((path) => ({ code: file.code, path })),
  )
  const anything = fc.oneof(
    fc.jsonValue({ maxDepth: 3 }),
    fc.integer(),
    fc.constantFrom('2026-02-29', '', 'day', 'wallet', '__proto__', undefined),
  )
  let faulty = 0
  fc.assert(
    fc.property(fc.constantFrom(...spots), anything, fc.string({ minLength: 1 }), ({ code, path }, value, key) => {
      for (const at of [path, [...path.slice(0, -1), key]]) {
        const { file, problems } = checkProgramme(changed(code, putAt(at, value)))
        if ((file === undefined) !== problems.length > 0) throw new Error('either a file or faults')
        for (const problem of problems) if (problem.path === '' || problem.message === '') throw new Error('no path')
        if (file === undefined) faulty++
        else compileProgramme(file)
      }
    }),
    { numRuns: 500 },
  )
  t.ok(faulty > 500, `${faulty} were faulty`)
})
