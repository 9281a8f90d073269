import { Type } from 'typebox'
import { type AccountNumber, isHouseholdAccount } from '../../ledger/accounts.ts'
import { isPostingAllowed, isSettlementKind, transferKindNames } from '../../ledger/posting-rules.ts'
import { type Transfer, transfer } from '../../ledger/transfer.ts'
import { done, type Handler, refused } from './command.ts'
import { withDetail } from './detail.ts'

const account = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })

const postSchema = Type.Object({
  asked: Type.Optional(Type.String()),
  /** What it is part of; the journal says so. */
  reference: Type.String({ minLength: 1, maxLength: 96 }),
  /** SHA-256 of all postings that belong together. */
  whole: Type.Optional(Type.String()),
  /** Kind, debit, credit and piasters of each. */
  postings: Type.Array(
    Type.Tuple([
      Type.Integer({ minimum: 1, maximum: 99 }),
      account,
      account,
      Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER }),
    ]),
    { minItems: 1, maxItems: 200 },
  ),
})

/**
 * Posts what settlement owes, pays and gets, between accounts that are no household's. One that the posting rules do
 * not allow refuses the whole command.
 */
export const postSettlement: Handler = withDetail(postSchema, ({ reference, postings }, { builder }) => {
  const transfers: Transfer[] = []
  for (const [index, [code, from, into, amountPiasters]] of postings.entries()) {
    const [debit, credit] = [from as AccountNumber, into as AccountNumber]
    const kind = transferKindNames[code]
    if (kind === undefined || !isSettlementKind(kind)) return refused(`posting ${index} is of no kind of settlement`)
    if (isHouseholdAccount(debit) || isHouseholdAccount(credit)) {
      return refused(`posting ${index} is on an account of a household`)
    }
    if (!isPostingAllowed(kind, debit, credit)) return refused(`posting ${index}: a ${kind} may not stand there`)
    transfers.push(transfer(kind, debit, credit, amountPiasters))
  }
  builder.postShared(transfers)
  const piasters = transfers.reduce((sum, { amount }) => sum + amount, 0)
  return done(`${transfers.length} posting(s) of ${reference}`, { reference, postings: transfers.length, piasters })
})
