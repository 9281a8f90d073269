/**
 * What an acquirer's financial messages of a business date came to (ISO 8583:1987, fields 74 to 77 and 86 to 89).
 * Credits go to the card's account: refunds and deposits; everything else is a debit.
 */
export interface AcquirerTotals {
  readonly creditsNumber: number
  readonly creditsReversalNumber: number
  readonly debitsNumber: number
  readonly debitsReversalNumber: number
  readonly creditsPiasters: number
  readonly creditsReversalPiasters: number
  readonly debitsPiasters: number
  readonly debitsReversalPiasters: number
}

/** What an acquirer says of its totals: as many of them as its message has. */
export type SaidTotals = Partial<AcquirerTotals> & { readonly netPiasters?: number }

/** What is due to the acquirer, piasters: below zero it is due from it. */
export function netOf(totals: AcquirerTotals): number {
  const debits = totals.debitsPiasters - totals.debitsReversalPiasters
  return debits - (totals.creditsPiasters - totals.creditsReversalPiasters)
}

/** Whether what was said is so; undefined when nothing was said. */
export function agrees(said: SaidTotals, ours: AcquirerTotals): boolean | undefined {
  const whole: Readonly<Record<string, number>> = { ...ours, netPiasters: netOf(ours) }
  const entries = Object.entries(said)
  return entries.length === 0 ? undefined : entries.every(([name, value]) => whole[name] === value)
}
