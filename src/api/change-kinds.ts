import type { ChangeKind } from './changes.ts'
import { clearingChangeKinds } from './clearing-change-kinds.ts'
import { disputeChangeKinds } from './dispute-change-kinds.ts'
import { householdChangeKinds } from './household-change-kinds.ts'
import { outboundChangeKinds } from './outbound-change-kinds.ts'
import { outletChangeKinds } from './outlet-change-kinds.ts'
import { programmeChangeKinds } from './programme-change-kinds.ts'
import { reconciliationKinds } from './reconciliation-kinds.ts'
import { settlementChanges } from './settlement-changes.ts'

/**
 * What moves money or entitlements, and so needs a second person: who may ask, who may agree, and how it is carried
 * out. A kind is added in the file of its domain.
 */
export const changeKinds: Readonly<Record<string, ChangeKind>> = {
  ...householdChangeKinds,
  ...programmeChangeKinds,
  ...outletChangeKinds,
  ...outboundChangeKinds,
  ...disputeChangeKinds,
  ...settlementChanges,
  ...reconciliationKinds,
  ...clearingChangeKinds,
}
