import t from 'tap'
import type { Authentication } from '../../src/authorization/authentication.ts'
import { notAuthenticated } from '../../src/authorization/authentication.ts'
import { decide } from '../../src/authorization/decide.ts'
import type { DecisionContext } from '../../src/authorization/decision.ts'
import type { AuthorizationRequest, Outlet } from '../../src/authorization/request.ts'
import { programmeCatalogue } from '../../src/benefit/programme-book.ts'
import type { WalletFile } from '../../src/benefit/programme-schema.ts'
import { shippedProgrammes } from '../../src/benefit/shipped-programmes.ts'
import { parseDate } from '../../src/calendar.ts'
import { context, householdWithMoney, outletOf, request } from './world.ts'

const grocer = outletOf('grocer', 'SUZ')
const bought = { fromAccount: '91', amountPiasters: 1_000 }

/** The programmes with another ration. */
function withRation(changes: Partial<WalletFile>) {
  const files = shippedProgrammes.map((file) =>
    file.code === 'ration' ? ({ ...file, ...changes } as WalletFile) : file,
  )
  return programmeCatalogue(files).on(parseDate('2026-11-11'))
}

function ask(
  programmes: DecisionContext['programmes'],
  at: { outlet?: Outlet; cairo?: string; fields?: Partial<AuthorizationRequest>; authentication?: Authentication } = {},
) {
  const { outlet = grocer, cairo = '12:00:00', fields = {}, authentication = notAuthenticated } = at
  const nowMs = Date.parse(`2026-11-11T${cairo}+02:00`)
  const place = { acceptor: outlet.acceptor, terminal: [...outlet.terminals][0] ?? '', mcc: outlet.mcc }
  const asked = request({ ...bought, ...place, ...fields })
  const decision = decide(asked, context(householdWithMoney(5_000), { programmes, outlet, nowMs, authentication }))
  return [decision.result, decision.trace.at(-1)?.[0]]
}

const outlets = { categories: ['grocer' as const], defaultFor: ['grocer' as const], issuingGovernorateOnly: true }
const approved = 'approved'

t.test('hours count where they are enforced', async (t) => {
  const hours = (from: string, to: string, enforced: boolean) =>
    withRation({ outlets: { ...outlets, hours: { from, to, enforced } } })
  const day = hours('08:00', '22:00', true)
  t.equal(ask(day, { cairo: '08:00:00' })[0], approved)
  t.same(ask(day, { cairo: '07:59:59' }), ['not-at-this-outlet', 'outlet.hours'])
  t.same(ask(day, { cairo: '22:00:00' }), ['not-at-this-outlet', 'outlet.hours'])
  t.equal(ask(hours('08:00', '22:00', false), { cairo: '03:00:00' })[0], approved)
  const night = hours('20:00', '02:00', true)
  t.equal(ask(night, { cairo: '01:59:59' })[0], approved)
  t.equal(ask(night, { cairo: '12:00:00' })[0], 'not-at-this-outlet')
})

t.test('a resort serves everybody in its season', async (t) => {
  const elsewhere = outletOf('grocer', 'LX')
  const season = (from: string, to: string) =>
    withRation({ outlets: { ...outlets, exceptions: [{ governorates: ['LX'], from, to }] } })
  t.same(ask(withRation({}), { outlet: elsewhere }), ['service-not-live', 'outlet.governorate'])
  t.equal(ask(season('2026-11-11', '2026-11-11'), { outlet: elsewhere })[0], approved)
  t.equal(ask(season('2026-11-12', '2026-12-31'), { outlet: elsewhere })[0], 'service-not-live')
})

t.test('the ladder of verification', async (t) => {
  const ladder = (...accept: ('fingerprint' | 'pin')[]) => withRation({ verification: { accept, required: true } })
  const finger: Authentication = {
    ...notAuthenticated,
    fingerprint: 'matched',
    assertion: { nonce: '0123456789abcdef', signedAtMs: Date.parse('2026-11-11T12:00:00+02:00') },
  }
  const stranger: Authentication = { ...finger, fingerprint: 'not-matched' }
  const pin: Authentication = { ...notAuthenticated, pin: 'matched' }
  t.same(ask(ladder('fingerprint', 'pin')), ['pin-unverifiable', 'verification.required'])
  t.equal(ask(ladder('fingerprint', 'pin'), { authentication: pin })[0], approved)
  t.equal(ask(ladder('fingerprint', 'pin'), { authentication: finger })[0], approved)
  t.equal(ask(ladder('fingerprint', 'pin'), { authentication: stranger })[0], 'pin-unverifiable')
  t.same(ask(ladder('fingerprint'), { authentication: pin }), ['fingerprint-required', 'fingerprint.required'])
  t.equal(ask(ladder('fingerprint'), { authentication: stranger })[0], 'fingerprint-required')
  const advice = { messageClass: 'financial-advice', mti: '0220' } as const
  t.equal(ask(ladder('pin'), { fields: advice })[0], approved, 'an advice tells of what happened')
  t.equal(ask(withRation({ verification: { accept: ['pin'], required: false } }))[0], approved)
})

t.test('lines where a programme wants them, and where it takes none', async (t) => {
  const lines = (rule: 'none' | 'required') => withRation({ basket: { lines: rule } })
  const basket = [{ product: 'ANYTHING', quantity: 1_000, unitPricePiasters: 1_000 }]
  t.same(ask(lines('required')), ['format-error', 'basket.required'])
  t.equal(ask(lines('required'), { fields: { basket } })[0], approved)
  t.equal(ask(lines('none'), { fields: { basket } })[0], approved)
  t.equal(ask(lines('none'), { fields: { basket, amountPiasters: 999 } })[0], 'bad-amount')
})

t.test('a split needs a programme that allows it, and keeps the limit of a purchase', async (t) => {
  const fields = { amountPiasters: 21_000, tender: 'postal' as const }
  t.equal(ask(withRation({}), { fields })[0], approved)
  t.equal(ask(withRation({ splitTender: false }), { fields })[0], 'insufficient')
  const huge = { ...fields, amountPiasters: 3_000_000 }
  t.same(ask(withRation({}), { fields: huge }), ['amount-limit', 'limit.purchase'])
})
