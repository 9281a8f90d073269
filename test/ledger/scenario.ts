import { keyOf } from '../../src/authorization/message-key.ts'
import type { AuthorizationRequest } from '../../src/authorization/request.ts'
import { demoHousehold } from '../../src/simulator/demo-world.ts'
import { outletOf, request, WORLD_SEED } from '../authorization/world.ts'
import { type Answered, type LiveLedger, panIndexOf } from './live-ledger.ts'

const DAY_MS = 86_400_000
/** Two households of one governorate. */
export const [FIRST_ID, SECOND_ID] = [13, 25]

/** A message of a household, at an outlet of its governorate. */
export function messageOf(
  ledger: LiveLedger,
  householdId: number,
  category: 'bakery' | 'grocer' | 'shop' | 'atm',
  fields: Partial<AuthorizationRequest>,
): AuthorizationRequest {
  const { pan, governorate } = demoHousehold(WORLD_SEED, householdId)
  const outlet = outletOf(category, governorate)
  const transmission = new Date(ledger.clock.nowMs).toISOString().replaceAll(/\D/g, '').slice(4, 14)
  const { acceptor, mcc, terminals } = outlet
  const place = { acceptor, mcc, terminal: [...terminals][0] ?? '' }
  const times = { receivedAtMs: ledger.clock.nowMs, transmission }
  return request({ ...place, ...times, pan, panIndex: panIndexOf(pan), fromAccount: '20', ...fields })
}

/** What names an original by DE90. */
export function naming(original: AuthorizationRequest): Partial<AuthorizationRequest> {
  const { mti, stan, transmission, acquirer, terminal } = original
  const originalKey = keyOf(acquirer, terminal, stan, transmission, mti)
  return { original: { mti, stan, transmission, acquirer }, originalKey }
}

/** A day in the life of two households with something of everything; every answer is checked. */
export async function playScenario(ledger: LiveLedger): Promise<Record<string, AuthorizationRequest>> {
  const sent: Record<string, AuthorizationRequest> = {}
  const say = async (name: string, expected: string, message: AuthorizationRequest): Promise<Answered> => {
    sent[name] = message
    const answered = await ledger.submit(message)
    if (answered.result !== expected) throw new Error(`${name}: ${answered.result}, not ${expected}`)
    return answered
  }
  const first = (category: 'bakery' | 'grocer' | 'shop' | 'atm', fields: Partial<AuthorizationRequest>) =>
    messageOf(ledger, FIRST_ID, category, fields)
  const hold = { messageClass: 'authorization', mti: '0100' } as const
  const reversal = { messageClass: 'reversal', mti: '0400' } as const
  const completion = { messageClass: 'financial-advice', mti: '0220' } as const

  await say(
    'second ration',
    'approved',
    messageOf(ledger, SECOND_ID, 'grocer', {
      fromAccount: '91',
      amountPiasters: 900,
      basket: [{ product: 'SOAP-125G', quantity: 3_000, unitPricePiasters: 300 }],
    }),
  )
  const bread = { fromAccount: '92', quantity: 5, amountPiasters: 100, tender: 'postal' as const }
  await say('bread', 'approved', first('bakery', bread))
  await say('ration', 'approved', first('grocer', { fromAccount: '91', amountPiasters: 1_500 }))
  await say('other ration', 'approved', first('grocer', { fromAccount: '91', amountPiasters: 700 }))
  const otherRation = sent['other ration'] as AuthorizationRequest
  await say(
    'ration reversal',
    'approved',
    first('grocer', { ...reversal, ...naming(otherRation), amountPiasters: 700 }),
  )
  await say('purchase', 'approved', first('shop', { amountPiasters: 1_000 }))
  await say('reversed purchase', 'approved', first('shop', { amountPiasters: 2_000 }))
  const reversed = sent['reversed purchase'] as AuthorizationRequest
  await say('reversal', 'approved', first('shop', { ...reversal, ...naming(reversed), amountPiasters: 2_000 }))
  ledger.clock.nowMs += DAY_MS
  await say('captured hold', 'approved', first('shop', { ...hold, amountPiasters: 3_000 }))
  const captured = sent['captured hold'] as AuthorizationRequest
  await say('capture', 'approved', first('shop', { ...completion, ...naming(captured), amountPiasters: 2_500 }))
  await say('open hold', 'approved', first('shop', { ...hold, amountPiasters: 4_000 }))
  await say('voided hold', 'approved', first('shop', { ...hold, amountPiasters: 4_500 }))
  const voided = sent['voided hold'] as AuthorizationRequest
  await say('void', 'approved', first('shop', { ...reversal, ...naming(voided), amountPiasters: 4_500 }))
  await say(
    'refused',
    'subsidy-not-cash',
    first('atm', { fromAccount: '91', transactionType: '01', amountPiasters: 500 }),
  )
  const repeated = sent.purchase as AuthorizationRequest
  await say('repeat', 'approved', { ...repeated, repeat: true, receivedAtMs: ledger.clock.nowMs })
  const answered = await ledger.submit({
    ...repeated,
    contentHash: 'another content!',
    receivedAtMs: ledger.clock.nowMs,
  })
  if (answered.result !== 'duplicate-other-content') throw new Error(`key reused: ${answered.result}`)
  const told = messageOf(ledger, SECOND_ID, 'shop', { ...completion, amountPiasters: 9_000_000 })
  await say('overdrawn', 'approved', told)
  for (const kind of ['pin-reset', 'pin-reset', 'card-wash']) await ledger.command(SECOND_ID, kind)
  return sent
}
