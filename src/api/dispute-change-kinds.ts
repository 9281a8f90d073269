import { Type } from 'typebox'
import { businessDate } from '../calendar.ts'
import { readDispute } from '../store/clearing/network-dispute-read.ts'
import { type DisputeMove, moveDispute, raiseDispute } from '../store/clearing/network-disputes.ts'
import type { ChangeKind } from './changes.ts'
import { id, shape } from './shapes.ts'

/** What moves the money of a dispute, by the writer of its household. */
function disputeMove(what: DisputeMove, words: string): ChangeKind {
  return {
    what: words,
    makers: ['operator', 'settlement'],
    checkers: ['settlement'],
    payload: shape({ disputeId: id('Number of the dispute.') }),
    validate: async (client, payload) => void (await readDispute(client, Number(payload.disputeId))),
    execute: async (client, { payload, maker, checker }, { clock, cutoverMinutes }) => {
      const disputeId = Number(payload.disputeId)
      const nowMs = clock.now()
      const by = { actor: `${maker} + user:${checker}`, nowMs, businessDate: businessDate(nowMs, cutoverMinutes) }
      const command = await moveDispute(client, disputeId, what, by)
      if (command !== undefined) return { by: 'command', command }
      return { by: 'change', result: `dispute ${disputeId}: ${what}` }
    },
  }
}

/** Changes of disputes that need a second person. */
export const disputeChangeKinds: Readonly<Record<string, ChangeKind>> = {
  'dispute-raise': {
    what: 'dispute what the card network presented: a chargeback',
    makers: ['operator', 'settlement'],
    checkers: ['settlement'],
    payload: shape({
      fileId: id('File of the item.'),
      number: Type.Integer({ minimum: 1, maximum: 2_147_483_647, description: 'Number of the item in it.' }),
      reasonCode: Type.String({ pattern: '^[0-9]{2}$', description: "The network's reason." }),
      piasters: Type.Optional(
        Type.Integer({ minimum: 1, maximum: 999_999_999_999, description: 'A part of it; absent = all.' }),
      ),
    }),
    execute: async (client, { payload, reason, maker, checker }, { clock, cutoverMinutes }) => {
      const nowMs = clock.now()
      const dispute = await raiseDispute(client, {
        fileId: Number(payload.fileId),
        number: Number(payload.number),
        reasonCode: String(payload.reasonCode),
        // As long as a dispute has room for.
        reason: reason.slice(0, 200),
        amountPiasters: payload.piasters === undefined ? undefined : Number(payload.piasters),
        raisedBy: maker.slice(0, 64),
        approvedBy: `user:${checker}`.slice(0, 64),
        nowMs,
        businessDate: businessDate(nowMs, cutoverMinutes),
      })
      return { by: 'change', result: `dispute ${dispute.id} is raised` }
    },
  },
  'dispute-credit': disputeMove('credit', 'pay disputed money to its household until the dispute is decided'),
  'dispute-accept': disputeMove('accept', 'end a dispute as won: the household keeps its money'),
  'dispute-lose': disputeMove('lose', 'end a dispute as lost: a credit is taken back'),
  'dispute-withdraw': disputeMove(
    'withdraw',
    'take a dispute back that nobody answered: the network has its money again, and a credit is taken back',
  ),
}
