import { test } from 'tap'
import type { Counterparty, Sent } from '../../src/simulator/counterparty.ts'
import { completionOf, reversalOf, transaction, unitDraw } from '../../src/simulator/messages.ts'
import { rails } from '../../src/simulator/rails.ts'
import { expectSoundLedger } from '../support/exchange-cases.ts'
import { available, startTestSwitch } from '../support/switch.ts'

const codesOf = (answers: readonly { code: string }[]) => answers.map((answer) => answer.code).sort()
const count = (codes: readonly string[], code: string) => codes.filter((one) => one === code).length

test('what arrives at once', async (t) => {
  const world = await startTestSwitch(t, { config: { limits: { withdrawalDailyPiasters: 50_000 } } })
  const links = () => Object.keys(rails).map((name) => world[name as keyof typeof rails])
  const scene = (members?: number) => {
    const home = world.household(members === undefined ? {} : { members })
    const { card, governorate } = home
    const money = async () => {
      const inquiry = transaction('inquiry', { card, terminal: world.place('atm', governorate) })
      return available((await world.atm.ask(inquiry)).answer, '20')
    }
    const pay = (amountPiasters: number, mti = '0200') =>
      transaction('purchase', { mti, card, terminal: world.place('shop', governorate), amountPiasters })
    return { home, card, governorate, money, pay }
  }

  await t.test('a family’s bread from three sides is its quota and not a loaf more', async (t) => {
    const { card, governorate } = scene(3)
    const draw = unitDraw({ card, terminal: world.place('bakery', governorate), quantity: 1, pricePiasters: 20 })
    const sent = links().flatMap((link) => Array.from({ length: 12 }, () => ({ link, message: link.compose(draw) })))
    const answers = await Promise.all(sent.map(({ link, message }) => link.send(message)))
    const codes = codesOf(answers)
    t.equal(count(codes, '00'), 15)
    t.equal(count(codes, '51'), 21)
    const repeats = await Promise.all(sent.map(({ link, message }) => link.send(link.repeatOf(message))))
    t.same(
      repeats.map((answer) => answer.frame.toString('hex')),
      answers.map((answer) => answer.frame.toString('hex')),
      'and the repeats are answered as the first',
    )
  })

  await t.test('money is spent once', async (t) => {
    const { home, pay, money } = scene()
    const part = Math.floor(home.postalAccount.balance / 4)
    const answers = await Promise.all(
      links().flatMap((link) => [1, 2, 3].map(async () => (await link.ask(pay(part))).answer)),
    )
    t.equal(count(codesOf(answers), '00'), 4)
    t.equal(await money(), home.postalAccount.balance - 4 * part)
  })

  await t.test('the day’s cash', async (t) => {
    const { card, governorate } = scene()
    const ask = { card, terminal: world.place('atm', governorate), amountPiasters: 10_000, from: '20' }
    const answers = await Promise.all(
      links().flatMap((link) => [1, 2, 3].map(async () => (await link.ask(transaction('cash', ask))).answer)),
    )
    t.equal(count(codesOf(answers), '00'), 5)
    t.equal(count(codesOf(answers), '61'), 4)
  })

  await t.test('an original and its reversal, in either order', async (t) => {
    for (const link of links()) {
      const { home, pay, money } = scene()
      const first = link.compose(pay(1_000))
      const firstAnswers = await together(link, [first, link.compose(reversalOf(first))])
      t.same(firstAnswers, ['00', '00'])
      const late = link.compose(pay(1_000))
      const lateAnswers = await together(link, [link.compose(reversalOf(late)), late])
      t.same(lateAnswers, ['25', '94'])
      t.equal(await money(), home.postalAccount.balance)
    }
  })

  await t.test('many reversals of one transaction give it back once', async (t) => {
    for (const link of links()) {
      const { home, pay, money } = scene()
      const { sent } = await link.ask(pay(1_000))
      const reversals = Array.from({ length: 6 }, () => link.compose(reversalOf(sent)))
      t.same(await together(link, reversals), ['00', '00', '00', '00', '00', '00'])
      t.equal(await money(), home.postalAccount.balance)
    }
  })

  await t.test('reversals that name one transaction in different ways give it back once', async (t) => {
    for (const link of links()) {
      const { home, pay, money } = scene()
      const { sent } = await link.ask({ ...pay(1_000), transactionId: '111111111111111' })
      const byFields = { namesOriginal: false }
      const reversals = [reversalOf(sent, byFields), reversalOf(sent), reversalOf(sent, byFields), reversalOf(sent)]
      await together(
        link,
        reversals.map((intent) => link.compose(intent)),
      )
      t.equal(await money(), home.postalAccount.balance, link.rail.name)
    }
  })

  await t.test('a hold ends once', async (t) => {
    for (const link of links()) {
      const { home, pay, money } = scene()
      const { sent } = await link.ask(pay(1_000, '0100'))
      const endings = [completionOf(sent, 1_000), reversalOf(sent), completionOf(sent, 600), reversalOf(sent)]
      const codes = await together(
        link,
        endings.map((intent) => link.compose(intent)),
      )
      t.same(codes, ['00', '00', '21', '00'], 'captured, given back, and the second reversal is the first again')
      t.equal(await money(), home.postalAccount.balance)
    }
  })

  await t.test('the ledger is sound', (t) => expectSoundLedger(t, world))
})

/** Sends messages without waiting in between; the codes come in the order of the messages. */
async function together(link: Counterparty, messages: readonly Sent[]): Promise<string[]> {
  return (await Promise.all(messages.map((message) => link.send(message)))).map((answer) => answer.code)
}
