import { Type } from 'typebox'
import { civilDate, formatDate } from '../calendar.ts'
import { nested } from '../store/access-pool.ts'
import { SETTLEMENT_ACCOUNT, SETTLEMENT_BANK } from '../store/outlet-record.ts'
import { findOutlet, saveOutlet } from '../store/outlet-store.ts'
import type { ChangeKind } from './changes.ts'
import { shape } from './shapes.ts'

const sha256 = Type.String({ pattern: '^[0-9a-f]{64}$', description: 'SHA-256 of the file, in hex.' })

/** Changes of outlets that need a second person: they change where money goes. */
export const outletChangeKinds: Readonly<Record<string, ChangeKind>> = {
  'outlet-settlement': {
    what: 'pay an outlet at another bank or account',
    makers: ['settlement'],
    checkers: ['settlement'],
    payload: shape({
      acceptor: Type.String({ pattern: '^[!-~]([ -~]{0,13}[!-~])?$', description: 'Outlet (DE42).' }),
      settlementBank: Type.String({ pattern: SETTLEMENT_BANK.source }),
      settlementAccount: Type.String({ pattern: SETTLEMENT_ACCOUNT.source }),
    }),
    validate: async (client, payload) => {
      await findOutlet(client, String(payload.acceptor))
    },
    execute: async (client, { payload, maker, checker }, { clock }) => {
      const acceptor = String(payload.acceptor)
      await findOutlet(client, acceptor)
      const details = {
        settlementBank: String(payload.settlementBank),
        settlementAccount: String(payload.settlementAccount),
      }
      const by = { actor: `${maker} + ${checker}`.slice(0, 64), today: formatDate(civilDate(clock.now())) }
      const { kind } = await saveOutlet(nested(client), { acceptor, details, terminals: [] }, by)
      return { by: 'change', result: `where outlet ${acceptor} is paid is ${kind}` }
    },
    settled: async ({ refresh }) => refresh?.reference(),
  },
  'outlet-file': {
    what: 'load a file of outlets that sets or changes where money goes',
    makers: ['settlement', 'operator'],
    checkers: ['settlement'],
    payload: shape({ sha256 }),
    execute: async (_, { payload }) => ({ by: 'change', result: `the file ${payload.sha256} may be loaded` }),
  },
}
