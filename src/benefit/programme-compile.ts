import { type CivilDate, parseDate } from '../calendar.ts'
import type {
  CoverProgramme,
  CreditProgramme,
  OutletRule,
  PaymentProgramme,
  PeriodEnd,
  Product,
  Programme,
  ProgrammeBase,
  WalletProgramme,
} from './programme.ts'
import type { CoverFile, CreditFile, PaymentFile, ProgrammeFile, WalletFile } from './programme-schema.ts'

/** Makes a programme of a file that has been checked: see `programme-check.ts`. */
export function compileProgramme(file: ProgrammeFile): Programme {
  switch (file.kind) {
    case 'wallet':
      return walletOf(file)
    case 'cover':
      return coverOf(file)
    case 'credit':
      return creditOf(file)
    case 'payment':
      return paymentOf(file)
  }
}

function baseOf(file: ProgrammeFile): ProgrammeBase {
  const { code, number, version, name, effectiveFrom, effectiveTo, funding } = file
  return {
    code,
    number,
    version,
    name,
    effectiveFrom: parseDate(effectiveFrom),
    effectiveTo: effectiveTo === undefined ? undefined : parseDate(effectiveTo),
    funding,
  }
}

function walletOf(file: WalletFile): WalletProgramme {
  const { period, span, classes, ...entitlement } = file.entitlement
  const { products, lines } = file.basket ?? { lines: 'none' }
  const listed = products?.map(productOf)
  const base = baseOf(file)
  return {
    ...base,
    // A grant ends with its span unless it is ended before.
    effectiveTo: base.effectiveTo ?? (span === undefined ? undefined : parseDate(span.to)),
    kind: 'wallet',
    accountCode: file.accountCode,
    unit: file.unit,
    period,
    span: span === undefined ? undefined : { from: parseDate(span.from), to: parseDate(span.to) },
    entitlement,
    classes: classes ?? [],
    atPeriodEnd: periodEndOf(file.atPeriodEnd),
    drawAheadDays: (file.drawAheadDays ?? [{ days: 1 }]).map((step) => ({
      membersUpTo: step.membersUpTo ?? Number.MAX_SAFE_INTEGER,
      days: step.days,
    })),
    tariff: dated(file.tariff ?? []),
    coPaymentTender: file.coPaymentTender,
    outlets: outletsOf(file.outlets),
    basket: {
      lines,
      products: listed,
      productByCode: new Map((listed ?? []).map((product) => [product.code, product])),
    },
    partialApproval: file.partialApproval,
    splitTender: file.splitTender,
    verification: file.verification ?? { accept: [], required: false },
    offline: file.offline,
    settlement: dated(file.settlement ?? []).map((step) => ({
      ...step,
      fuel: step.fuel,
      piastersPerUnit: step.piastersPerUnit,
      permilleOfValue: step.permilleOfValue,
    })),
    exclusiveWith: file.exclusiveWith,
    notify: file.notify ?? { dispense: false, expiring: false },
  }
}

function periodEndOf(end: WalletFile['atPeriodEnd']): PeriodEnd {
  if (end?.action === 'convert')
    return { action: 'convert', to: end.to ?? '', piastersPerUnit: end.piastersPerUnit ?? 0 }
  if (end?.action === 'carry') return { action: 'carry', months: end.months ?? 1 }
  return { action: 'expire' }
}

type ProductFile = NonNullable<NonNullable<WalletFile['basket']>['products']>[number]

function productOf({ no, code, name, stepThousandths, pricePiasters, perMember, perCardMax }: ProductFile): Product {
  return { no, code, name, stepThousandths, pricePiasters, perMember, perCardMax }
}

function coverOf(file: CoverFile): CoverProgramme {
  return {
    ...baseOf(file),
    kind: 'cover',
    accountCode: file.accountCode,
    outlets: outletsOf(file.outlets),
    verification: file.verification,
    services: file.services.map(({ no, code, name, mccs, rates }) => ({
      no,
      code,
      name,
      mccs,
      rates: dated(rates).map((rate) => ({ ...rate, yearlyCapPiasters: rate.yearlyCapPiasters })),
    })),
    exemptClasses: file.exemptClasses ?? [],
  }
}

function creditOf(file: CreditFile): CreditProgramme {
  return { ...baseOf(file), kind: 'credit', ...file.credit }
}

function paymentOf(file: PaymentFile): PaymentProgramme {
  return { ...baseOf(file), kind: 'payment', outlets: outletsOf(file.outlets), ...file.payment }
}

function outletsOf(file: WalletFile['outlets']): OutletRule {
  const { hours } = file
  return {
    categories: file.categories,
    defaultFor: file.defaultFor ?? [],
    issuingGovernorateOnly: file.issuingGovernorateOnly,
    exceptions: (file.exceptions ?? []).map(({ governorates, from, to }) => ({
      governorates,
      from: parseDate(from),
      to: parseDate(to),
    })),
    hours:
      hours === undefined
        ? undefined
        : { fromMinute: minuteOf(hours.from), toMinute: minuteOf(hours.to), enforced: hours.enforced },
  }
}

function minuteOf(time: string): number {
  const [hour = 0, minute = 0] = time.split(':').map(Number)
  return hour * 60 + minute
}

/** Steps with their dates read, oldest first. */
function dated<T extends { from: string }>(steps: readonly T[]): (Omit<T, 'from'> & { from: CivilDate })[] {
  return steps.map((step) => ({ ...step, from: parseDate(step.from) })).sort((a, b) => a.from - b.from)
}
