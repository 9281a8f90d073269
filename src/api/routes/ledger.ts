import { Type } from 'typebox'
import { addDays, formatDate } from '../../calendar.ts'
import { MizanError } from '../../errors.ts'
import { listSharedBalances, readTrialBalance } from '../../store/search-ledger.ts'
import { isWholes, page, readCursor, rowsFor } from '../cursor.ts'
import { dayOf } from '../days.ts'
import { ok, type Route, route } from '../route.ts'
import { date, pageOf, paging, shape } from '../shapes.ts'

const tag = 'ledger'
const DAYS_MAX = 31

const balanceShape = shape({
  account: Type.Integer(),
  accountName: Type.String(),
  owner: Type.Integer({ description: 'Outlet, acquirer or programme; 0 = the institution.' }),
  unit: Type.String({ description: 'EGP in piasters, LOAF or KG.' }),
  period: Type.Integer(),
  posted: Type.Integer(),
})

const lineShape = shape({
  unit: Type.String(),
  kind: Type.Integer({ description: 'First four digits of the account.' }),
  accountName: Type.String(),
  debits: Type.Integer(),
  credits: Type.Integer(),
})

/** The ledger in sums. */
export const ledgerRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/ledger/balances',
    tag,
    summary: 'list the balances of accounts that are no household’s',
    query: shape({
      kind: Type.Optional(
        Type.Integer({ minimum: 1_000, maximum: 9_999, description: 'First four digits of the account.' }),
      ),
      owner: Type.Optional(Type.Integer({ minimum: 0, maximum: 99_999_999_999 })),
      period: Type.Optional(Type.Integer({ minimum: 0, maximum: 99_999_999 })),
      ...paging,
    }),
    answers: { 200: pageOf(balanceShape) },
    handler: async ({ services, query }) => {
      const { cursor, limit, ...filter } = query
      const position = readCursor(cursor, (found) => isWholes(found, 'bigint', 'integer'))
      const after = position && { account: Number(position[0]), period: Number(position[1]) }
      const rows = await services.database.read((client) =>
        listSharedBalances(client, {
          ...filter,
          limit: rowsFor(limit),
          ...(after === undefined ? {} : { after }),
        }),
      )
      return ok(
        page(
          rows,
          limit,
          ({ account, period }) => [account, period],
          (row) => row,
        ),
      )
    },
  }),
  route({
    method: 'GET',
    path: '/ledger/trial-balance',
    tag,
    summary: `sum what was posted on some business days by kind of account, ${DAYS_MAX} days at most`,
    query: shape({ from: date('First business day.'), to: date('Last business day.') }),
    answers: {
      200: shape({
        from: Type.String(),
        to: Type.String(),
        lines: Type.Array(lineShape),
        balanced: Type.Boolean({ description: 'Whether debits equal credits in each unit.' }),
      }),
    },
    handler: async ({ services, query }) => {
      const { from, to } = query
      const days = [dayOf(from), dayOf(to)] as const
      if (days[0] > days[1] || addDays(days[0], DAYS_MAX) <= days[1]) {
        throw new MizanError('BAD_INPUT', `from does not lie behind to, and less than ${DAYS_MAX} days before`)
      }
      const [first, last] = days.map(formatDate) as [string, string]
      const lines = await services.database.search((client) => readTrialBalance(client, first, last))
      const units = [...new Set(lines.map(({ unit }) => unit))]
      const sum = (unit: string) =>
        lines.filter((line) => line.unit === unit).reduce((total, line) => total + line.credits - line.debits, 0)
      return ok({ from: first, to: last, lines, balanced: units.every((unit) => sum(unit) === 0) })
    },
  }),
]
