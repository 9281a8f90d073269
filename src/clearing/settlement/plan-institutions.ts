import { type AccountNumber, kindOf, moneyKinds, ownerOf } from '../../ledger/accounts.ts'
import {
  type Account,
  dueOf,
  duesOf,
  linesOf,
  type PartPlan,
  type PlanInput,
  type PlanInstitution,
  push,
} from './plan-parts.ts'

/** What a run does for acquirers, schemes, post offices and wholesalers: one net position each. */
export function institutionPlans(input: PlanInput, accounts: ReadonlyMap<number, Account>): PartPlan {
  const plans: PartPlan = { dues: [], holdbacks: [], instructions: [] }
  const groups = new Map<PlanInstitution | undefined, Account[]>()
  for (const account of accounts.values()) {
    const kind = kindOf(account.account)
    if (kind === moneyKinds.outletPayable || kind === moneyKinds.subsidyPayable) continue
    push(groups, institutionOf(input.institutions, account.account), [account])
  }
  for (const account of groups.get(undefined) ?? []) plans.dues.push(dueOf(account, { note: 'no-institution' }))
  for (const institution of input.institutions) {
    const own = groups.get(institution) ?? []
    const net = own.reduce((sum, account) => sum + duesOf(account), 0n)
    const isPaid = net !== 0n
    for (const account of own) {
      plans.dues.push(dueOf(account, { instructed: isPaid ? duesOf(account) : 0n, note: 'nets-to-zero' }))
    }
    if (!isPaid) continue
    const lines = linesOf(own.map((account) => ({ account: account.account, piasters: duesOf(account) })))
    const { kind, institution: number, bank, name, account } = institution
    plans.instructions.push({
      purpose: 'net',
      party: { kind, number },
      bank,
      name,
      account,
      lines,
      replaces: undefined,
    })
  }
  return plans
}

/** Who settles for an account of kind 7002, 7003 or 7004. */
function institutionOf(institutions: readonly PlanInstitution[], account: AccountNumber): PlanInstitution | undefined {
  const owner = ownerOf(account)
  const find = (kind: PlanInstitution['kind'], number: number) =>
    institutions.find((one) => one.kind === kind && one.institution === number)
  if (kindOf(account) === moneyKinds.schemeClearing) return find('scheme', owner) ?? find('scheme', 0)
  const acquirer = find('acquirer', owner)
  return acquirer ?? (kindOf(account) === moneyKinds.cashClearing ? find('post', owner) : undefined)
}
