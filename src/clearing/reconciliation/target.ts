import { MizanError } from '../../errors.ts'
import { type AccountNumber, kindOf, moneyKinds, ownerOf } from '../../ledger/accounts.ts'
import type { Queryable } from '../../store/access-pool.ts'
import { isAccountInUse, knownAccounts } from '../../store/clearing/account-owners.ts'

/** Accounts that a refusal names; the rest is in the master data. */
const NAMED = 5

const { acquirerClearing, cashClearing, schemeClearing, settlementTransit, settlementAccount } = moneyKinds
const banks: readonly number[] = [settlementTransit, settlementAccount]

const owners: Readonly<Record<number, string>> = {
  [acquirerClearing]: 'acquirer',
  [cashClearing]: 'acquirer or post office',
  [schemeClearing]: 'card scheme',
  [settlementTransit]: 'bank',
  [settlementAccount]: 'bank',
}

/**
 * Requires that an account which money of an exception goes to has an owner. The kind alone lets a wrong digit through: the
 * exception is closed, and the money waits for ever on the account of nobody, or is paid to the scheme that settles for all others.
 * An acquirer that settles through another has no entry of its own, but postings.
 * @throws MizanError BAD_INPUT that names some of those that there are, and where the others are listed
 */
export async function requireTargetOwner(client: Queryable, target: number | undefined): Promise<void> {
  if (target === undefined) return
  const kind = kindOf(target as AccountNumber)
  const known = await knownAccounts(client, kind)
  if (known.some(({ account }) => account === target)) return
  if (!banks.includes(kind) && (await isAccountInUse(client, target))) return
  const there = known.slice(0, NAMED).map(({ account, name }) => `${account} (${name})`)
  const more = known.length > NAMED ? ` and ${known.length - NAMED} more` : ''
  const list = `mizan settlement ${banks.includes(kind) ? 'bank' : 'institution'} list`
  throw new MizanError(
    'BAD_INPUT',
    `there is no ${owners[kind] ?? 'owner'} ${ownerOf(target as AccountNumber)} for account ${target}; of ${kind} there ${
      there.length === 0 ? 'is none' : `are ${there.join(', ')}${more}`
    }: see ${list}`,
  )
}
