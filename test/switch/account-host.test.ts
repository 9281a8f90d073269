import { test } from 'tap'
import { accountHostCommand } from '../../src/commands/account-host.ts'
import { processIo } from '../../src/commands/command-io.ts'
import type { Message } from '../../src/iso8583/message.ts'
import type { HostManners } from '../../src/simulator/account-host.ts'
import { completionOf, reversalOf, transaction, unitDraw } from '../../src/simulator/messages.ts'
import { awaitCommand, requestCommand } from '../../src/store/command-requests.ts'
import { STAND_IN, startHostedSwitch, until } from '../support/account-host.ts'
import { expectExchange, expectSoundLedger } from '../support/exchange-cases.ts'
import { available, today } from '../support/switch.ts'

const isRequest = ({ mti }: Message) => mti === '0200'
/** Manners towards requests alone: what is forwarded is always taken. */
const towardsRequests = (manners: HostManners) => (message: Message) => (isRequest(message) ? manners : {})

test('accounts at the account host', async (t) => {
  const world = await startHostedSwitch(t)
  const { pos, atm, visa, host, client } = world
  t.afterEach(() => {
    host.manners = () => ({})
  })
  const scene = () => {
    const home = world.household()
    const { id: account, balance: money } = home.postalAccount
    const pay = (amountPiasters: number, mti = '0200') =>
      transaction('purchase', {
        mti,
        card: home.card,
        terminal: world.place('shop', home.governorate),
        amountPiasters,
        from: '20',
      })
    const agree = async () => {
      await world.drained()
      t.equal(world.bookedOf(account), await world.ledgerOf(home.id), 'the host and the ledger agree')
      return world.bookedOf(account)
    }
    return { home, account, money, pay, agree }
  }
  const funded = (piasters: number, back = 0) => ({
    before: [`hostFunding: due from the account host ${-piasters}`, `hostFunding: postal account ${piasters}`],
    after: back === 0 ? [] : [`hostReturn: postal account ${-back}`, `hostReturn: due from the account host ${back}`],
  })
  const bought = (piasters: number) => [
    `purchase: postal account ${-piasters}`,
    `purchase: payable to outlet ${piasters}`,
  ]

  await t.test(
    'the host approves: it is funded and posted in one group, and the answer tells its balance',
    async (t) => {
      const { pay, money, agree } = scene()
      const { before } = funded(1_500)
      const expected = { code: '00', entries: [...before, ...bought(1_500)] }
      const sent = pos.compose(pay(1_500))
      const answer = await pos.send(sent)
      t.equal(answer.code, '00')
      t.equal(available(answer, '20'), money - 1_500)
      const row = await world.ledger(sent)
      t.same(
        row?.entries.map((entry) => `${entry.kind}: ${entry.accountName} ${entry.amount}`),
        expected.entries,
      )
      const asked = host.seen.at(-1)
      t.equal(asked?.mti, '0200')
      t.equal(asked?.text(32), pos.rail.acquirer)
      t.equal(await agree(), -1_500)
      t.equal(host.seen.filter(({ mti }) => mti !== '0200').length, 0, 'nothing had to be forwarded')
    },
  )

  await t.test('the host declines: so does Mizan, with its reason, and nothing is posted', async (t) => {
    const { pay, money, agree } = scene()
    const answer = await pos.send(pos.compose(pay(money + 1)))
    t.equal(answer.code, '51')
    t.equal(available(answer, '20'), money)
    t.equal(await agree(), 0)
  })

  await t.test('what is refused here is never asked there', async (t) => {
    const { home, agree } = scene()
    const before = host.seen.length
    const outlet = world.place('bakery', home.governorate)
    const cash = transaction('cash', { card: home.card, terminal: outlet, amountPiasters: 100, from: '20' })
    await expectExchange(t, world, pos, cash, { code: '58' })
    t.equal(host.seen.length, before)
    t.equal(await agree(), 0)
  })

  await t.test('no answer: within stand-in it is approved, the request reversed once and the host told', async (t) => {
    const { pay, agree } = scene()
    host.manners = towardsRequests({ silent: true })
    const { answer, sent } = await visa.ask(pay(2_000, '0200'))
    t.equal(answer.code, '00')
    t.equal(answer.text(44)?.[0], '1', 'the issuer timed out: DE44.1')
    t.equal(available(answer, '20'), undefined, 'nobody knows the balance')
    t.equal(await agree(), -2_000)
    const [reversal, advice] = host.seen.slice(-2)
    t.same([reversal?.mti, advice?.mti], ['0420', '0220'], 'the reversal goes before the advice')
    t.equal((await visa.send(visa.repeatOf(sent))).code, '00')
    t.equal(await agree(), -2_000)
  })

  await t.test('no answer beyond stand-in: 91, and what the host booked is taken back', async (t) => {
    const { pay, agree } = scene()
    host.manners = towardsRequests({ silent: true })
    const answer = await pos.send(pos.compose(pay(STAND_IN.single + 1)))
    t.equal(answer.code, '91')
    t.equal(await agree(), 0)
    t.ok(host.bookings.at(-1)?.reversed)
  })

  await t.test('the host is down: stand-in within its limits, then 91; back again, it hears of all', async (t) => {
    const { pay, agree } = scene()
    await world.hostIs(true)
    await host.stop()
    await world.hostIs(false)
    const amounts = [STAND_IN.single, 40_000, 10_000, 1]
    const codes: string[] = []
    for (const amount of amounts) codes.push((await pos.ask(pay(amount))).answer.code)
    t.same(codes, ['00', '00', '00', '91'], 'the day’s limit is the first three')
    t.equal((await pos.ask(pay(STAND_IN.single + 1))).answer.code, '91')
    await host.start()
    await world.hostIs(true)
    t.equal(await agree(), -STAND_IN.day)
    t.equal((await pos.ask(pay(700))).answer.code, '00', 'traffic returns by itself')
    t.equal(await agree(), -STAND_IN.day - 700)
  })

  await t.test('an advice that the host refuses is an exception for the desk', async (t) => {
    const { pay, account, home, money } = scene()
    t.equal((await pos.ask(pay(money - 100))).answer.code, '00')
    await host.stop()
    await world.hostIs(false)
    t.equal((await pos.ask(pay(5_000))).answer.code, '00')
    await host.start()
    await world.hostIs(true)
    await world.drained()
    t.equal(host.balance(account), 100, 'the host has not taken it')
    const { rows } = await client.query('select * from host_exceptions where household_id = $1', [home.id])
    t.match(rows, [{ kind: 'advice', direction: 'debit', piasters: '5000', cause: 'refused', response_code: '51' }])
  })

  await t.test('a repeat while the host thinks asks once; a reversal waits for its original', async (t) => {
    const { pay, agree } = scene()
    host.manners = towardsRequests({ thinkMs: 150 })
    const sent = pos.compose(pay(900))
    const asked = host.seen.length
    const first = pos.send(sent)
    await until(async () => host.seen.length > asked)
    const other = await world.open('pos')
    const repeat = other.send(pos.repeatOf(sent))
    const reversal = other.send(other.compose(reversalOf(sent)))
    const others = scene()
    const meanwhile = await pos.ask(
      transaction('inquiry', {
        card: others.home.card,
        terminal: world.place('shop', others.home.governorate),
        from: '20',
      }),
    )
    t.equal(meanwhile.answer.code, '00')
    const answers = await Promise.all([first, repeat, reversal])
    t.same(
      answers.map(({ code }) => code),
      ['00', '00', '00'],
    )
    t.equal(answers[0]?.text(38), answers[1]?.text(38), 'the repeat has the same answer')
    t.equal(host.seen.filter((message) => isRequest(message) && message.text(4) === '000000000900').length, 1)
    t.equal(await agree(), 0)
  })

  await t.test('reversals, holds and captures give back what the host paid', async (t) => {
    const { pay, agree, home } = scene()
    const { sent } = await pos.ask(pay(3_000))
    t.equal((await pos.ask(reversalOf(sent, { replacementPiasters: 1_000 }))).answer.code, '00')
    t.equal(await agree(), -1_000)
    const hold = await pos.ask(pay(2_000, '0100'))
    t.equal(hold.answer.code, '00')
    t.equal(await agree(), -3_000)
    t.equal((await pos.ask(completionOf(hold.sent, 1_200))).answer.code, '00')
    t.equal(await agree(), -2_200)
    const voided = await pos.ask(pay(500, '0100'))
    t.equal((await pos.ask(reversalOf(voided.sent))).answer.code, '00')
    t.equal(await agree(), -2_200)
    const terminal = world.place('atm', home.governorate)
    const deposit = await atm.ask(
      transaction('deposit', { card: home.card, terminal, amountPiasters: 4_000, from: '20' }),
    )
    t.equal(deposit.answer.code, '00')
    t.equal(await agree(), 1_800)
    t.equal((await atm.ask(reversalOf(deposit.sent))).answer.code, '00')
    t.equal(await agree(), -2_200)
  })

  await t.test('a co-payment and a split tender take from the account what they need', async (t) => {
    const { home, agree } = scene()
    const terminal = world.place('bakery', home.governorate)
    const draw = unitDraw({ card: home.card, terminal, quantity: 5, pricePiasters: 20, from: '92', coPayment: 'A' })
    const { answer } = await pos.ask(draw)
    t.equal(answer.code, '00')
    t.equal(await agree(), -100)
  })

  await t.test('a balance inquiry asks the host; without it only the wallets are told', async (t) => {
    const { home, money } = scene()
    const terminal = world.place('shop', home.governorate)
    const inquiry = transaction('inquiry', { card: home.card, terminal, from: '20' })
    const { answer } = await pos.ask(inquiry)
    t.equal(available(answer, '20'), money)
    host.manners = towardsRequests({ deaf: true })
    const without = await pos.ask(inquiry)
    t.equal(without.answer.code, '00')
    t.equal(available(without.answer, '20'), undefined)
    t.ok(without.answer.amounts.length > 0, 'the wallets')
  })

  await t.test('a hold that expires gives back what the host paid', async (t) => {
    const { pay, agree, home } = scene()
    t.equal((await pos.ask(pay(800, '0100'))).answer.code, '00')
    t.equal(await agree(), -800)
    world.clock.advance(8 * 86_400_000)
    await world.restart()
    await world.hostIs(true)
    await until(async () => (await world.ledgerOf(home.id)) === 0)
    t.equal(await agree(), 0)
  })

  await t.test('a benefit goes on to the host; a fee is not taken there; an account with a hold stays', async (t) => {
    const { home, pay, agree } = scene()
    const command = async (kind: string, detail: Readonly<Record<string, unknown>>) => {
      const asked = { kind, detail, householdId: home.id, cardId: home.id, lane: 0, requestedBy: 'tester' }
      const state = await requestCommand(client, asked)
      return (await awaitCommand(client, state, { timeoutMs: 10_000 })).end?.outcome ?? ''
    }
    const month = Math.floor(today(world.clock) / 100)
    const paid = { programme: 'pension', month, piasters: 150_000, reason: 'a test' }
    t.match(await command('benefit-credit', paid), /^done: /)
    t.equal(await agree(), 150_000)
    t.equal((await world.pos.ask(pay(100, '0100'))).answer.code, '00')
    const link = {
      accountKind: 'existing',
      masked: 'EG**1234',
      index: '0'.repeat(32),
      source: 'counter',
      heldAt: 'local',
    }
    t.match(await command('account-link', link), /^refused: .*open holds/)
    t.match(await command('card-status', { status: 'lost', reason: 'a test' }), /^done: /)
    const replace = { order: 999_999_999, reason: 'loss', feePiasters: 100, pay: 'postal', dueOn: today(world.clock) }
    t.match(await command('card-replace', replace), /^refused: .*pay it in cash/)
    t.equal(await agree(), 149_900)
  })

  await t.test('mizan account-host says how things stand, and notes how an exception was settled', async (t) => {
    let said = ''
    const io = {
      ...processIo,
      env: { DATABASE_URL: world.databaseUrl, MIZAN_VAR: world.varDir },
      out: (text: string) => {
        said += text
      },
    }
    const mizan = async (...words: string[]) => {
      said = ''
      await accountHostCommand(io)
        .exitOverride()
        .parseAsync([...words, '--json'], { from: 'user' })
      return JSON.parse(said)
    }
    t.match(await mizan('status'), {
      exceptions: 1,
      exceptionPiasters: 5_000,
      atRiskPiasters: 5_000,
      advicesWaiting: 0,
    })
    const [exception] = await mizan('exceptions')
    t.match(exception, { direction: 'debit', piasters: 5_000, cause: 'refused', responseCode: '51' })
    const resolve = ['resolve', String(exception.id), '--resolution', 'paid in at the post office']
    t.match(await mizan(...resolve), { resolution: 'paid in at the post office' })
    await t.rejects(mizan(...resolve), { code: 'CONFLICT' })
    t.match(await mizan('status'), { exceptions: 0, atRiskPiasters: 0 })
  })

  await t.test('the ledger is sound', async (t) => expectSoundLedger(t, world))
})
