import type { CivilDate } from '../calendar.ts'
import {
  type BankTerm,
  type InstitutionTerm,
  type OutletAccount,
  saveOutletAccounts,
  setSettlementBank,
  setSettlementInstitution,
} from '../store/clearing/settlement-master.ts'
import type { Client } from '../store/connection.ts'
import { demoAcquirers, demoOutlets } from './demo-world.ts'

/** Before anything of the demo world. */
const FROM = 20230801 as CivilDate
const AUTHOR = { actor: 'demo', reason: 'demo world' }
const FUELS = ['diesel', 'gas', 'electricity'] as const
/** Bank codes within IBANs of the demo: none that a bank has. */
const IBAN_BANKS = ['9901', '9902'] as const
/** Account numbers within IBANs: ours, institutions', outlets'. */
const OURS = 1
const INSTITUTIONS = 100
const OUTLETS = 10_000

/** An Egyptian IBAN with right check digits: bank, branch, account. */
export function demoIban(bank: string, account: number): string {
  const own = `${bank}0001${String(account).padStart(17, '0')}`
  const rest = BigInt(`${own}141600`) % 97n
  return `EG${String(98n - rest).padStart(2, '0')}${own}`
}

/** The settlement banks of the demo world. Their BICs are of the kind that is for tests. */
const demoBanks: readonly BankTerm[] = [
  { number: 1, code: 'STBA', bic: 'STBAEGC0', name: 'SETTLEMENT BANK A', account: demoIban('9901', OURS), from: FROM },
  { number: 2, code: 'STBB', bic: 'STBBEGC0', name: 'SETTLEMENT BANK B', account: demoIban('9902', OURS), from: FROM },
]

/** Whom the demo world settles with besides outlets. */
const demoInstitutions: readonly InstitutionTerm[] = [
  ...demoAcquirers
    .filter(({ id }) => id.startsWith('818'))
    .map(({ id, name }, index) => ({
      kind: 'acquirer' as const,
      institution: Number(id),
      name: name.toUpperCase(),
      bank: 1 + (index % 2),
      account: demoIban(IBAN_BANKS[index % 2] ?? '9901', INSTITUTIONS + index),
      from: FROM,
    })),
  {
    kind: 'scheme',
    institution: 0,
    name: 'DEMO CARD SCHEME',
    bank: 1,
    account: demoIban('9901', INSTITUTIONS + 50),
    from: FROM,
  },
]

/** Where the outlets of the demo world are paid, and what bakeries burn. */
function demoOutletAccounts(): OutletAccount[] {
  return demoOutlets().map(({ id, category }) => ({
    outletId: id,
    bankCode: id % 3 === 0 ? 'STBB' : 'STBA',
    account: demoIban(id % 3 === 0 ? '9902' : '9901', OUTLETS + id),
    ...(category === 'bakery' ? { fuel: FUELS[id % FUELS.length] ?? 'gas' } : {}),
  }))
}

/** Fills an empty database with the settlement side of the demo world. */
export async function saveDemoSettlement(client: Client): Promise<void> {
  for (const bank of demoBanks) await setSettlementBank(client, bank, AUTHOR)
  for (const institution of demoInstitutions) await setSettlementInstitution(client, institution, AUTHOR)
  await saveOutletAccounts(client, demoOutletAccounts())
}
