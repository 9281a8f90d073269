import { Type } from 'typebox'
import { answerStates, closeAnswer, type ListedAnswer, listAnswers } from '../../store/clearing/bank-answer-desk.ts'
import { isWholes, page, readCursor, rowsFor, WHOLE_MAX } from '../cursor.ts'
import { changeOnce } from '../once.ts'
import { ok, type Route, route } from '../route.ts'
import { id, instant, orNull, pageOf, paging, shape, words } from '../shapes.ts'

const tag = 'banks'
const text = orNull(Type.String())

const answerShape = shape({
  fileId: Type.Integer({ description: 'Receipt of its file, as /bank-files has it.' }),
  number: Type.Integer({ description: 'In its file.' }),
  file: Type.String({ description: 'As the bank called it.' }),
  receivedAt: instant('When it was received'),
  bank: orNull(Type.Integer({ description: 'Number of the settlement bank.' })),
  answer: Type.Enum(['status', 'return']),
  messageId: orNull(Type.String({ description: 'Of our message or payment block that it names.' })),
  endToEndId: orNull(Type.String({ description: 'Of the payment; null = it is to a whole message.' })),
  status: text,
  reasonCode: text,
  reason: text,
  amountPiasters: orNull(Type.Integer({ description: 'Of a return: what comes back.' })),
  outcome: Type.String({ description: 'What it made of the instruction; `unknown` and `unexpected: …` did nothing.' }),
  isOpen: Type.Boolean({ description: 'Whether somebody has to look at it.' }),
  closedAt: orNull(instant('When it was closed')),
  closedBy: text,
  closeReason: text,
})

function answerView({ bankFile: fileId, receivedAt, closedAt, ...answer }: ListedAnswer) {
  return {
    fileId,
    ...answer,
    receivedAt: receivedAt.toISOString(),
    bank: answer.bank ?? null,
    messageId: answer.messageId ?? null,
    endToEndId: answer.endToEndId ?? null,
    status: answer.status ?? null,
    reasonCode: answer.reasonCode ?? null,
    reason: answer.reason ?? null,
    amountPiasters: answer.amountPiasters ?? null,
    closedAt: closedAt?.toISOString() ?? null,
    closedBy: answer.closedBy ?? null,
    closeReason: answer.closeReason ?? null,
  }
}

/** What banks said became of payments, and who has looked at what does not go with them. */
export const bankAnswerRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/bank-answers',
    tag,
    summary: 'list what banks said of payments, the newest file first; those that somebody has to look at unless told',
    query: shape({
      state: Type.Optional(Type.Enum([...answerStates])),
      endToEndId: Type.Optional(Type.String({ minLength: 1, maxLength: 35 })),
      ...paging,
    }),
    answers: { 200: pageOf(answerShape) },
    handler: async (call) => {
      const { endToEndId, limit, cursor } = call.query
      const state = answerStates.find((one) => one === call.query.state) ?? 'open'
      const at = readCursor(cursor, (found) => isWholes(found, 'bigint', 'integer'))
      const after = at === undefined ? undefined : { bankFile: Number(at[0]), number: Number(at[1]) }
      const filter = { state, endToEndId, after, limit: rowsFor(limit) }
      const rows = await call.services.database.read((client) => listAnswers(client, filter))
      return ok(page(rows, limit, (row) => [row.bankFile, row.number], answerView))
    },
  }),
  route({
    method: 'POST',
    path: '/bank-answers/{fileId}/{number}/close',
    tag,
    summary: 'close an open answer of a bank: somebody has looked; it moves no money and changes no payment',
    params: shape({
      fileId: id('Receipt of its file.'),
      number: Type.Integer({ minimum: 1, maximum: WHOLE_MAX.integer, description: 'In its file.' }),
    }),
    body: shape({ reason: words('What came of it; it stays with the answer.') }),
    answers: { 200: answerShape },
    changes: true,
    handler: (call) =>
      changeOnce(call, async (client) => {
        const { fileId, number } = call.params
        const closing = { reason: call.body.reason, actor: call.actor.id, nowMs: call.services.clock.now() }
        const closed = await closeAnswer(client, { bankFile: fileId, number }, closing)
        const { endToEndId, outcome, closeReason } = closed
        return {
          answer: ok(answerView(closed)),
          detail: { file: fileId, number, endToEndId, outcome, reason: closeReason },
        }
      }),
  }),
]
