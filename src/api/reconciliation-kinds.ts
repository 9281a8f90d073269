import { Type } from 'typebox'
import { correct, correctionOf, requireSeen, requireWriteOff, writeOff } from '../clearing/reconciliation/desk.ts'
import { requireTargetOwner } from '../clearing/reconciliation/target.ts'
import { readLogin } from '../store/access-users.ts'
import { readException } from '../store/clearing/reconciliation-desk.ts'
import type { ApprovedChange, ChangeKind } from './changes.ts'
import { id, shape } from './shapes.ts'

type Payload = Readonly<Record<string, unknown>>

const exceptionId = id('Number of the exception.')
const idOf = (payload: Payload) => Number(payload.exceptionId)
const differencePiasters = Type.Integer({
  minimum: Number.MIN_SAFE_INTEGER,
  maximum: Number.MAX_SAFE_INTEGER,
  description: 'As the exception shows it: what two people agree on. Another one by then is refused.',
})
const seenOf = (payload: Payload) => Number(payload.differencePiasters)
const targetOf = (payload: Payload) => (payload.account === undefined ? undefined : Number(payload.account))

function authorOf({ maker, checker }: ApprovedChange, nowMs: number) {
  return { actor: `${maker} + user:${checker}`.slice(0, 160), nowMs }
}

/** What an exception is closed with where money stands for it: postings that two people agree on. */
export const reconciliationKinds: Readonly<Record<string, ChangeKind>> = {
  'reconciliation-correction': {
    what: 'post what corrects an exception: into the suspense of its break, or out of it to an account',
    makers: ['settlement'],
    checkers: ['settlement', 'operator'],
    payload: shape({
      exceptionId,
      differencePiasters,
      account: Type.Optional(
        Type.Integer({
          minimum: 1,
          maximum: Number.MAX_SAFE_INTEGER,
          description: 'Where what is in suspense goes; absent = the proposed posting, into suspense.',
        }),
      ),
    }),
    validate: async (client, payload) => {
      const exception = await readException(client, idOf(payload))
      requireSeen(exception, seenOf(payload))
      correctionOf(exception, targetOf(payload))
      await requireTargetOwner(client, targetOf(payload))
    },
    execute: async (client, request, { clock }) => {
      const { payload, reason } = request
      const wanted = { target: targetOf(payload), resolution: reason.slice(0, 500), seenPiasters: seenOf(payload) }
      const done = await correct(client, idOf(payload), wanted, authorOf(request, clock.now()))
      return {
        by: 'change',
        result: `exception ${done.exception.id} is ${done.exception.state}; ${done.reference} is posted`,
      }
    },
  },
  'reconciliation-write-off': {
    what: 'give up the difference of an exception',
    makers: ['settlement'],
    checkers: ['settlement', 'operator'],
    payload: shape({ exceptionId, differencePiasters }),
    validate: async (client, payload) => {
      const exception = await readException(client, idOf(payload))
      requireSeen(exception, seenOf(payload))
      requireWriteOff(exception)
    },
    execute: async (client, request, { clock, writeOffLimits = [] }) => {
      const { payload, reason, checker } = request
      const { roles = [] } = (await readLogin(client, checker)) ?? {}
      const wanted = {
        resolution: reason.slice(0, 500),
        roles,
        limits: writeOffLimits,
        seenPiasters: seenOf(payload),
      }
      const done = await writeOff(client, idOf(payload), wanted, authorOf(request, clock.now()))
      return { by: 'change', result: `exception ${done.exception.id} is written off; ${done.reference} is posted` }
    },
  },
}
