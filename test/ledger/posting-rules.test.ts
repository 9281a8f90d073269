import t from 'tap'
import { compileProgramme } from '../../src/benefit/programme-compile.ts'
import { shippedProgrammes } from '../../src/benefit/shipped-programmes.ts'
import {
  type AccountNumber,
  accountClasses,
  moneyAccount,
  moneyKinds,
  subsidyAccount,
} from '../../src/ledger/accounts.ts'
import {
  isPostingAllowed,
  type TransferKind,
  transferKindNames,
  transferKinds,
} from '../../src/ledger/posting-rules.ts'
import { int8Array } from '../../src/store/binary-arrays.ts'
import { connect } from '../../src/store/connection.ts'
import { prepareDatabase } from '../../src/store/installation.ts'
import { createTestDatabase } from '../support/database.ts'

const OWNER = 4_711
const wallets = shippedProgrammes.map(compileProgramme).filter((programme) => programme.kind === 'wallet')

/** One account of every kind of the chart, and of kinds that are not in it. */
function everyAccount(): AccountNumber[] {
  const accounts: AccountNumber[] = []
  for (const accountClass of ['wallet', 'redeemed', 'funding', 'expired', 'converted', 'advanced'] as const) {
    for (const { unit, number } of wallets) accounts.push(subsidyAccount(accountClass, unit, number, OWNER))
    accounts.push(subsidyAccount(accountClass, 'EGP', 77, OWNER))
  }
  for (const kind of Object.keys(moneyKinds)) accounts.push(moneyAccount(kind as keyof typeof moneyKinds, OWNER))
  const strange = [1_000, 1_300, 1_301, 1_999, 2_000, 6_000, 6_002, 7_000, 7_099, 8_000, 8_099, 9_001]
  accounts.push(moneyAccount('householdDebt', OWNER + 1), subsidyAccount('advanced', 'LOAF', 1, OWNER + 1))
  // Numbers longer than an account's, which could be taken for another pair of classes; and what is none at all.
  for (let long = 10; long < 20; long += 1) strange.push(long * 1_000 + 101)
  strange.push(-1_101, -9_101)
  return [...accounts, ...strange.map((kind) => (kind * 100_000_000_000 + OWNER) as AccountNumber)]
}

t.test('the core and the database allow the same postings', async (t) => {
  const { url } = await createTestDatabase(t)
  await prepareDatabase(url, 1)
  const client = await connect({ url, name: 'mizan test' })
  t.teardown(() => client.end())
  const accounts = everyAccount()
  const kinds = [...Object.values(transferKinds), 0, 9, 21, 99]
  const { rows } = await client.query<{ kind: number; debit: string; credit: string; allowed: boolean }>(
    `select k as kind, d as debit, c as credit, posting_allowed(k::smallint, d, c) as allowed
     from unnest($1::bigint[]) k, unnest($2::bigint[]) d, unnest($2::bigint[]) c`,
    [int8Array(kinds), int8Array(accounts)],
  )
  t.equal(rows.length, kinds.length * accounts.length ** 2)
  const differing: string[] = []
  let allowedCount = 0
  for (const { kind, debit, credit, allowed } of rows) {
    const name: TransferKind | undefined = transferKindNames[kind]
    const inCore =
      name !== undefined && isPostingAllowed(name, Number(debit) as AccountNumber, Number(credit) as AccountNumber)
    if (inCore !== allowed) differing.push(`${name ?? kind}: ${debit} → ${credit}`)
    if (inCore) allowedCount++
  }
  t.same(differing, [])
  t.ok(allowedCount > 50, `${allowedCount} postings are allowed`)

  // Requirement M4, stated without the rules: nothing that is allowed joins the two worlds or two wallets.
  const classOf = (account: string) => Math.floor(Number(account) / 100_000_000_000_000)
  const crossing = rows.filter(({ debit, credit, allowed }) => {
    const [from, into] = [classOf(debit), classOf(credit)]
    const subsidies = [from, into].filter(
      (one) => one <= accountClasses.converted || one === accountClasses.advanced,
    ).length
    const household = [from, into].every((one) => one === accountClasses.wallet || one === accountClasses.postal)
    return allowed && (subsidies === 1 || household)
  })
  t.same(crossing, [])
})

t.test('every kind of transfer and of account has its name in the database', async (t) => {
  const { url } = await createTestDatabase(t)
  await prepareDatabase(url, 1)
  const client = await connect({ url, name: 'mizan test' })
  t.teardown(() => client.end())
  const kinds = await client.query<{ kind: number; name: string }>('select kind, name from transfer_kind')
  t.same(Object.fromEntries(kinds.rows.map(({ kind, name }) => [kind, name])), transferKindNames)
  const chart = await client.query<{ kind: number; unit: string }>('select kind, unit from account_kind')
  const units = new Map(chart.rows.map(({ kind, unit }) => [kind, unit]))
  for (const kind of Object.values(moneyKinds)) t.equal(units.get(kind), 'EGP')
  for (const { unit, number } of wallets) {
    for (const accountClass of ['wallet', 'redeemed', 'funding', 'expired', 'converted', 'advanced'] as const) {
      const kind = Math.floor(subsidyAccount(accountClass, unit, number, 0) / 100_000_000_000)
      t.equal(units.get(kind), unit, `${kind}`)
    }
  }
})
