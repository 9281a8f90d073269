import type { SettlementIdentity } from './files.ts'

/** How the institution names itself to its banks, as the configuration has it. */
export function identityOf({
  centre,
  settlement,
}: {
  readonly centre: string
  readonly settlement: { readonly name: string; readonly bic?: string | undefined; readonly purpose: string }
}): SettlementIdentity {
  const { name, bic, purpose } = settlement
  return { name, bic, purpose, centre }
}
