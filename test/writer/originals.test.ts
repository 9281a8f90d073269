import { type Test, test } from 'tap'
import { keyOf } from '../../src/authorization/message-key.ts'
import type { AuthorizationRequest } from '../../src/authorization/request.ts'
import { demoHousehold, demoOutlets } from '../../src/simulator/demo-world.ts'
import { withClient } from '../../src/store/database-location.ts'
import { verifyLedger } from '../../src/store/verify.ts'
import { ask, purchaseOf, SEED, writerWorld } from '../support/writer.ts'

type Changes = Partial<AuthorizationRequest>

/** Where the message of an outlet near the household comes from. */
function at(category: 'bakery' | 'grocer' | 'shop' | 'atm'): Changes {
  const { governorate } = demoHousehold(SEED, 1, false)
  const outlet = demoOutlets().find((one) => one.category === category && one.governorate === governorate)
  return { acceptor: outlet?.acceptor ?? '', terminal: outlet?.terminals[0] ?? '', mcc: outlet?.mcc ?? '' }
}

const stranger = { acceptor: 'NOBODY000000001', terminal: 'N0000001' }
const refund = { transactionType: '20', fromAccount: '00', toAccount: '20' }

/** One household with a writer: what it asks is answered with the result, and its money can be looked at. */
async function till(t: Test) {
  const world = await writerWorld(t)
  const writer = await world.start()
  const money = () =>
    withClient(world.url, async (client) => {
      const { rows } = await client.query(
        'select (posted - held)::int as available from balance where account = 600100000000001',
      )
      return (rows[0] as { available: number }).available
    })
  const requestOf = (changes: Changes) => purchaseOf(1, world.clock.now(), changes)
  const say = async (request: AuthorizationRequest) => (await ask(writer, request)).result
  t.teardown(async () => {
    const failed = (await verifyLedger(world.url)).filter(({ ok }) => !ok)
    if (failed.length > 0) throw new Error(failed.map(({ name, detail }) => `${name}: ${detail}`).join('\n'))
  })
  return { money, requestOf, say }
}

/** The fields by which a message names another in DE90. */
function naming({ mti, stan, transmission, acquirer, terminal, key, rrn }: AuthorizationRequest): Changes {
  return { original: { mti, stan, transmission, acquirer, forwarder: '' }, originalKey: key, terminal, rrn } as Changes
}

test('goods that a subsidy paid do not come back as money, wherever they are brought', async (t) => {
  const { money, requestOf, say } = await till(t)
  const draw = requestOf({ ...at('grocer'), fromAccount: '91', amountPiasters: 3_000 })
  t.equal(await say(draw), 'approved')
  const before = await money()
  const back = { ...refund, amountPiasters: 3_000, rrn: draw.rrn }
  t.equal(await say(requestOf({ ...back, ...at('shop') })), 'subsidy-not-cash')
  t.equal(await say(requestOf({ ...back, ...stranger, mcc: '5411' })), 'subsidy-not-cash')
  t.equal(await say(requestOf({ ...back, ...stranger, mcc: '5311' })), 'subsidy-not-cash')
  t.equal(await say(requestOf({ ...back, ...stranger, mcc: '5411', rrn: 'OTHER' })), 'original-not-found')
  t.equal(await money(), before)
  // The custom of the card networks, of what nobody knows as subsidised; a reference that two outlets use says nothing.
  t.equal(await say(requestOf({ ...back, ...stranger, mcc: '5311', rrn: 'OTHER' })), 'approved')
  const bought = requestOf({ ...at('shop'), amountPiasters: 500 })
  t.equal(await say(bought), 'approved')
  t.equal(
    await say(requestOf({ ...refund, ...stranger, mcc: '5311', amountPiasters: 700, rrn: bought.rrn })),
    'approved',
  )
  t.equal(await money(), before + 3_000 - 500 + 700)
})

test('an outlet that nobody knows takes payments, and pays cash in or out only as its MCC says', async (t) => {
  const { money, requestOf, say } = await till(t)
  const before = await money()
  const ofType = (transactionType: string, mcc: string) => requestOf({ ...stranger, mcc, transactionType })
  for (const mcc of ['', '6011', '5311']) t.equal(await say(ofType('21', mcc)), 'not-at-this-outlet')
  for (const type of ['11', '50']) t.equal(await say(ofType(type, '5462')), 'not-at-this-outlet')
  t.equal(await say({ ...ofType('09', '5462'), cashbackPiasters: 100 }), 'not-at-this-outlet')
  t.equal(await say(ofType('01', '5311')), 'not-at-this-outlet')
  t.equal(await money(), before)
  t.equal(await say(ofType('01', '6011')), 'approved')
  t.equal(await say(ofType('00', '5462')), 'approved')
  t.equal(
    await say(requestOf({ ...at('atm'), transactionType: '21', fromAccount: '00', toAccount: '91' })),
    'subsidy-not-cash',
  )
  t.equal(await say(requestOf({ ...at('atm'), transactionType: '21', fromAccount: '00', toAccount: '20' })), 'approved')
})

test('a reversal whose DE90 names nothing is matched by card, RRN, terminal, outlet and amount', async (t) => {
  const { money, requestOf, say } = await till(t)
  const before = await money()
  const cash = requestOf({ ...at('atm'), transactionType: '01', amountPiasters: 5_000 })
  t.equal(await say(cash), 'approved')
  const wrong = { ...naming(cash), originalKey: keyOf('1', '2', '3', '4', '0200') }
  const reversal = { mti: '0420', messageClass: 'reversal-advice', transactionType: '01' } as const
  const place = at('atm')
  t.equal(await say(requestOf({ ...place, ...wrong, ...reversal, amountPiasters: 4_000 })), 'original-not-found')
  t.equal(await say(requestOf({ ...place, ...wrong, ...reversal, amountPiasters: 5_000 })), 'approved')
  t.equal(await money(), before)
})

test('the reversal of a completion that has not come leaves the hold of the same RRN alone', async (t) => {
  const { money, requestOf, say } = await till(t)
  const hold = requestOf({ mti: '0100', messageClass: 'authorization' })
  t.equal(await say(hold), 'approved')
  const held = await money()
  const completion = requestOf({ ...naming(hold), mti: '0220', messageClass: 'financial-advice' })
  const late = {
    ...completion,
    key: keyOf(completion.acquirer, completion.terminal, completion.stan, completion.transmission, '0220'),
  }
  const reversal = requestOf({ ...naming(late), mti: '0420', messageClass: 'reversal-advice' })
  t.equal(await say(reversal), 'original-not-found')
  t.equal(await say(late), 'duplicate-other-content')
  t.equal(await money(), held)
})

test('a completion may bring a cash part; what names a hold and is of another kind debits nothing', async (t) => {
  const { money, requestOf, say } = await till(t)
  const before = await money()
  const hold = requestOf({ ...at('grocer'), mti: '0100', messageClass: 'authorization' })
  t.equal(await say(hold), 'approved')
  const completion = { ...at('grocer'), ...naming(hold), mti: '0220', messageClass: 'financial-advice' } as const
  t.equal(await say(requestOf({ ...completion, transactionType: '50' })), 'original-not-found')
  t.equal(await say(requestOf({ ...completion, transactionType: '09', cashbackPiasters: 200 })), 'approved')
  t.equal(await money(), before - 1_000)
})

test('what was posted with its authorization is not posted again with its completion', async (t) => {
  const { money, requestOf, say } = await till(t)
  const before = await money()
  const returned = requestOf({ ...at('shop'), ...refund, mti: '0100', messageClass: 'authorization' })
  t.equal(await say(returned), 'approved')
  const advice = { ...at('shop'), ...refund, mti: '0220', messageClass: 'financial-advice', rrn: returned.rrn } as const
  t.equal(await say(requestOf(advice)), 'approved')
  t.equal(await say(requestOf({ ...advice, ...naming(returned) })), 'approved')
  t.equal(await money(), before + 1_000)
  const drawn = requestOf({ ...at('grocer'), fromAccount: '91', mti: '0100', messageClass: 'authorization' })
  t.equal(await say(drawn), 'approved')
  const told = {
    ...at('grocer'),
    ...naming(drawn),
    fromAccount: '91',
    mti: '0220',
    messageClass: 'financial-advice',
  } as const
  t.equal(await say(requestOf(told)), 'approved')
  t.equal(await say(requestOf({ ...told, amountPiasters: 900 })), 'already-reversed')
  t.equal(await say(requestOf({ ...told, fromAccount: '10', transactionType: '09' })), 'approved')
  t.equal(await money(), before + 1_000)
})

test('of bread that was not handed out the rest comes back to its day, in whole loaves', async (t) => {
  const { requestOf, say } = await till(t)
  const bread = requestOf({ ...at('bakery'), fromAccount: '92', amountPiasters: 100, quantity: 5 })
  t.equal(await say(bread), 'approved')
  const reversal = {
    ...at('bakery'),
    ...naming(bread),
    mti: '0420',
    messageClass: 'reversal-advice',
    fromAccount: '92',
  } as const
  const part = (replacementPiasters: number) => requestOf({ ...reversal, amountPiasters: 100, replacementPiasters })
  t.equal(await say(part(50)), 'bad-amount')
  t.equal(await say(part(60)), 'approved')
  t.equal(await say(part(60)), 'approved', 'told again')
  t.equal(await say(part(40)), 'already-reversed')
})

test('a hold that came to less does not come to more again', async (t) => {
  const { money, requestOf, say } = await till(t)
  const before = await money()
  const hold = requestOf({ mti: '0100', messageClass: 'authorization', amountPiasters: 10_000 })
  t.equal(await say(hold), 'approved')
  const reversal = { ...naming(hold), mti: '0400', messageClass: 'reversal', amountPiasters: 10_000 } as const
  t.equal(await say(requestOf({ ...reversal, replacementPiasters: 1_000 })), 'approved')
  t.equal(await say(requestOf({ ...reversal, replacementPiasters: 5_000 })), 'already-reversed')
  t.equal(await money(), before - 1_000)
})
