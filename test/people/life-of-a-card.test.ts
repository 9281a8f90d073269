import { test } from 'tap'
import { transaction, unitDraw } from '../../src/simulator/messages.ts'
import { requestCommand } from '../../src/store/command-requests.ts'
import { creditBenefit, grantBenefit } from '../../src/store/people-benefits.ts'
import {
  activateCard,
  addDevice,
  announceCard,
  cancelOrder,
  expireNotices,
  extendCollection,
  handOutCard,
  orderCard,
  removeDevice,
  replaceCard,
  reportCard,
  takePrintedCard,
} from '../../src/store/people-cards.ts'
import {
  addMember,
  changeHead,
  changeStanding,
  enrolHeadFingerprint,
  enrolHousehold,
  linkAccount,
  moveHousehold,
  removeMember,
} from '../../src/store/people-enrolment.ts'
import { lateReplacements, ordersOfHousehold, readOrder, stepsOfOrder } from '../../src/store/people-orders.ts'
import { readDevices, readHouseholdEvents, readMembers, readPostalLink } from '../../src/store/people-reader.ts'
import { readRecipients } from '../../src/store/people-register.ts'
import { announceHoliday, savePlace, setActivationPolicy } from '../../src/store/people-rules.ts'
import { readHousehold } from '../../src/store/search-households.ts'
import { verifyLedger } from '../../src/store/verify.ts'
import { available } from '../support/switch.ts'
import { iban, peopleWorld, person } from './people-world.ts'

const DAY_MS = 86_400_000
const clerk = { name: 'clerk' }
const fingerprint = { deviceId: '00000000000000d1', templateRef: '00000000000000f1' }
const place = {
  id: 'pts-main',
  kind: 'post',
  governorate: 'PTS',
  name: 'Main post office',
  address: 'Port Said',
  hours: '08:30-15:00',
} as const

test('people, their households and their cards', async (t) => {
  const { world, desk, outcome, newCard, told } = await peopleWorld(t, { at: '2026-11-26T12:00:00+02:00' })
  const { clock } = world
  await savePlace(desk, place, clerk)
  const enrol = (first: number, members: number, key?: string) =>
    enrolHousehold(
      desk,
      {
        head: person(first),
        members: Array.from({ length: members - 1 }, (_, at) => person(first + at + 1, false)),
        governorate: 'PTS',
        hasOldRationCard: false,
      },
      key === undefined ? clerk : { ...clerk, key },
    )
  /** Up to a card in its holder's hand. */
  const issue = async (first: number, members: number) => {
    const { householdId, orderId, command } = await enrol(first, members)
    const done: string[] = [await outcome(command)]
    done.push(await outcome(linkAccount(desk, householdId, { kind: 'new', iban: iban(first) }, clerk)))
    const print = { ...fingerprint, templateRef: String(first).padStart(16, '0') }
    done.push(await outcome(enrolHeadFingerprint(desk, householdId, print, clerk)))
    done.push(await outcome(orderCard(desk, orderId, place.id, clerk)))
    const { made, held } = newCard(first)
    done.push(await outcome(takePrintedCard(desk, orderId, made, clerk)))
    done.push(await outcome(announceCard(desk, orderId, undefined, clerk)))
    return { householdId, orderId, held, done }
  }
  const bread = (card: ReturnType<typeof newCard>['held'], quantity: number, governorate = 'PTS') =>
    world.pos.ask(unitDraw({ card, terminal: world.place('bakery', governorate), quantity, pricePiasters: 20 }))
  const inquiry = (card: ReturnType<typeof newCard>['held']) =>
    world.atm.ask(transaction('inquiry', { card, terminal: world.place('atm', 'PTS') }))

  await t.test('M13 M14 M15: enrolled, issued, collected, active, and bread is drawn', async (t) => {
    const { householdId, orderId, held, done } = await issue(100, 4)
    t.same(
      done.filter((words) => !words.startsWith('done:')),
      [],
    )
    t.equal((await bread(held, 5)).answer.code, '78', 'a card that nobody has collected does not work')
    t.match(await outcome(handOutCard(desk, orderId, undefined, clerk)), /^done: the card is handed out and active/)
    clock.advance(DAY_MS)
    const drawn = await bread(held, 15)
    t.equal(drawn.answer.code, '00')
    t.equal(available(drawn.answer, '92'), 5, 'five loaves for each of the four')
    clock.advance(-DAY_MS)
    const order = await readOrder(desk, orderId)
    t.match(order, { state: 'active', reason: 'first', feePiasters: 0, noticeOn: 20261126, collectBy: 20261226 })
    t.same(
      (await stepsOfOrder(desk, orderId)).map(({ state }) => state),
      ['applied', 'account-linked', 'fingerprint-enrolled', 'ordered', 'printed', 'ready', 'collected', 'active'],
    )
    t.same(await told(householdId), ['collection-notice', 'card-activated'])
    t.same((await readRecipients(desk, [householdId]))(householdId), { mobile: '+201000000100' })
    const members = await readMembers(desk, householdId)
    t.equal(members.length, 4)
    t.match(members[0], { role: 'head', mobile: '**********100', fingerprints: 1, sex: 'female' })
    t.match(await readPostalLink(desk, householdId), { kind: 'new', reference: /^EG\*{23}\d{4}$/ })
  })

  await t.test('a card is handed out to a member of its household alone, who stays with the step', async (t) => {
    const { householdId, orderId } = await issue(150, 2)
    const [stranger] = await readMembers(desk, (await issue(160, 1)).householdId)
    for (const personId of [999_999_999, stranger?.personId ?? 0]) {
      await t.rejects(handOutCard(desk, orderId, personId, clerk), {
        code: 'BAD_INPUT',
        message: /personId: .* a member/,
      })
    }
    const member = (await readMembers(desk, householdId)).find(({ role }) => role === 'member')
    t.match(await outcome(handOutCard(desk, orderId, member?.personId, clerk)), /^done:/)
    const step = (await stepsOfOrder(desk, orderId)).find(({ state }) => state === 'collected')
    t.equal(step?.note, `collected by person ${member?.personId}`)
  })

  await t.test('what is kept of people is not readable', async (t) => {
    const { rows } = await world.client.query<{ text: string }>(
      `select person::text as text from person union all select detail::text from command_inbox
       union all select detail from command_journal union all select household_event::text from household_event`,
    )
    const all = rows.map(({ text }) => text).join('\n')
    for (const secret of [
      person(100).nationalId,
      '01000000100',
      '1000000100',
      'Person baa',
      iban(100),
      newCard(100).made.pan,
    ]) {
      t.notOk(all.includes(secret))
      t.notOk(all.includes(Buffer.from(secret).toString('hex')))
    }
  })

  await t.test('a request under a key is taken once, and another under it is refused', async (t) => {
    const first = await enrol(200, 2, 'enrol 200')
    await outcome(first.command)
    const again = await enrol(200, 2, 'enrol 200')
    t.same([again.householdId, again.orderId, again.command.id], [first.householdId, first.orderId, first.command.id])
    await t.rejects(enrol(210, 2, 'enrol 200'), { code: 'BAD_INPUT', message: /used for another command/ })
    await t.rejects(enrol(200, 2), {
      code: 'BAD_INPUT',
      message: /head.nationalId: this person is a member of a household already/,
    })
  })

  await t.test('what is wrong with an enrolment is said all at once, and nothing is kept', async (t) => {
    const before = await world.client.query('select from person')
    const bad = { nationalId: '29013010112345', name: '' }
    const wrong = {
      head: bad,
      members: [person(220, false), person(220, false)],
      governorate: 'ROME',
      hasOldRationCard: true,
    }
    await t.rejects(enrolHousehold(desk, wrong, clerk), {
      code: 'BAD_INPUT',
      message:
        /head.nationalId: the date of birth.*; head.name: .*; members\[1\].nationalId: the same as of members\[0\]; head.mobile: .*; governorate: /,
    })
    t.equal((await world.client.query('select from person')).rowCount, before.rowCount)
    await t.rejects(linkAccount(desk, 1, { kind: 'existing', iban: `${iban(5).slice(0, -1)}0` }, clerk), /check digits/)
  })

  await t.test('a notice is extended once, and a card that nobody collects is cancelled', async (t) => {
    const { householdId, orderId, held } = await issue(300, 1)
    t.match(await outcome(extendCollection(desk, orderId, clerk)), /^done: the card waits until 20270126/)
    t.match(await outcome(extendCollection(desk, orderId, clerk)), /^refused: the notice was extended once already/)
    t.equal(await expireNotices(desk, 'job'), 0)
    await world.client.query('update card_order set collect_by = 20261125 where id = $1', [orderId])
    await t.rejects(orderCard(desk, orderId, undefined, clerk), /does not become ordered/)
    const late = await outcome(handOutCard(desk, orderId, undefined, clerk))
    t.match(late, /^refused: the time to collect the card is over/)
    t.equal(await expireNotices(desk, 'job'), 1)
    const waits = async () => (await readOrder(desk, orderId)).state
    for (const deadlineMs = performance.now() + 60_000; (await waits()) === 'ready' && performance.now() < deadlineMs; )
      await new Promise((go) => setTimeout(go, 20))
    t.equal(await waits(), 'cancelled')
    t.equal(await expireNotices(desk, 'job'), 0, 'once')
    t.same(await told(householdId), ['collection-notice', 'collection-extended', 'collection-cancelled'])
    t.not((await bread(held, 1)).answer.code, '00')
  })

  await t.test('a card is active from a day on where the governorate has it so', async (t) => {
    const rule = { governorate: 'PTS', from: '2026-11-27', moment: 'on-date', onDate: '2026-11-29' } as const
    await setActivationPolicy(desk, rule, clerk)
    const { orderId, held } = await issue(350, 1)
    clock.advance(DAY_MS)
    t.match(await outcome(handOutCard(desk, orderId, undefined, clerk)), /^done: .* not active yet/)
    t.match(await outcome(activateCard(desk, orderId, true, clerk)), /^refused: .* before the day set/)
    t.equal((await bread(held, 1)).answer.code, '78')
    clock.advance(2 * DAY_MS)
    t.match(await outcome(activateCard(desk, orderId, false, clerk)), /^done: the card is active/)
    t.equal((await bread(held, 1)).answer.code, '00')
    clock.advance(-3 * DAY_MS)
  })

  await t.test('M16: a lost card stops at once; its replacement keeps the wallets and the money', async (t) => {
    const home = world.household({ governorate: 'PTS', members: 4 })
    const { card } = home
    t.equal((await bread(card, 8)).answer.code, '00')
    const before = (await inquiry(card)).answer
    t.match(
      await outcome(replaceCard(desk, home.id, { reason: 'loss', pay: 'postal' }, clerk)),
      /^refused: report the card/,
    )
    t.match(await outcome(reportCard(desk, home.id, { kind: 'loss', reason: 'call to 15999' }, clerk)), /is lost/)
    t.equal((await bread(card, 1)).answer.code, '41')
    await announceHoliday(desk, { date: '2026-12-01', name: 'A holiday' }, clerk)
    t.match(
      await outcome(replaceCard(desk, home.id, { reason: 'expiry', pay: 'cash' }, clerk)),
      /^refused: the card is lost/,
      'no way round the fee',
    )
    const ordered = await replaceCard(desk, home.id, { reason: 'loss', pay: 'postal', placeId: place.id }, clerk)
    t.match(await outcome(ordered), /^done: a replacement is ordered, to be printed by 20261213/, '10 working days')
    const orderId = Number(ordered.detail.order)
    t.same(await lateReplacements(desk, 20261213 as never), [])
    t.match(await lateReplacements(desk, 20261214 as never), [{ id: orderId, reason: 'loss' }])
    const { made, held } = newCard(400)
    for (const [wrong, reason] of [
      [{ expiry: '2610' }, /has expired already/],
      [{ expiry: '2001' }, /has expired already/],
      [{ serviceCode: '000' }, /serviceCode/],
      [{ serviceCode: '999' }, /serviceCode/],
    ] as const) {
      await t.rejects(takePrintedCard(desk, orderId, { ...made, ...wrong }, clerk), {
        code: 'BAD_INPUT',
        message: reason,
      })
    }
    for (const step of [
      () => takePrintedCard(desk, orderId, made, clerk),
      () => announceCard(desk, orderId, undefined, clerk),
      () => handOutCard(desk, orderId, undefined, clerk),
    ]) {
      t.match(await outcome(step()), /^done:/)
    }
    const after = (await inquiry(held)).answer
    t.equal(available(after, '92'), available(before, '92'), 'bread of the day is what it was')
    t.equal(available(after, '91'), available(before, '91'))
    t.equal(available(after, '20'), (available(before, '20') ?? 0) - 30_000, '300 pounds, once')
    t.equal((await bread(card, 1)).answer.code, '41', 'the old one stays lost')
    t.equal((await bread(held, 12)).answer.code, '00')
    t.equal((await bread(held, 1)).answer.code, '51')
    const again = replaceCard(desk, home.id, { reason: 'loss', pay: 'postal' }, clerk)
    await t.rejects(again, /has its replacement/, 'what was paid once is no second card for nothing')
    const since = ['card-blocked', 'replacement-ordered', 'collection-notice', 'card-activated']
    t.same(await told(home.id), ['old-card-stopped', ...since])
  })

  await t.test(
    'a fee counts for the next order when its own was cancelled, and not when it was paid back',
    async (t) => {
      const { id } = world.household({ governorate: 'PTS' })
      await outcome(reportCard(desk, id, { kind: 'theft', reason: 'police report' }, clerk))
      const order = async () => {
        const asked = await replaceCard(desk, id, { reason: 'theft', pay: 'cash', counter: 7 }, clerk)
        t.match(await outcome(asked), /^done:/)
        return readOrder(desk, Number(asked.detail.order))
      }
      const cancel = async (orderId: number) =>
        t.match(await outcome(cancelOrder(desk, orderId, 'entered twice', clerk)), /^done:/)
      const paid = await order()
      t.match(paid, { feePiasters: 30_000, feePaid: 'cash' })
      await cancel(paid.id)
      t.equal((await told(id)).at(-1), 'issue-cancelled', 'nobody had a time to collect it that passed')
      const free = await order()
      t.match(free, { feePiasters: 0, feePaid: 'none' })
      await cancel(free.id)
      const detail = { order: paid.id, piasters: 30_000, reason: 'withdrawn' }
      const back = { lane: paid.lane, kind: 'fee-refund', householdId: id, detail, requestedBy: 'clerk' }
      t.match(await outcome(requestCommand(desk.client, back)), /^done:/)
      t.match(await order(), { feePiasters: 30_000, feePaid: 'cash' })
    },
  )

  await t.test('without the money the fee is paid in cash at the counter', async (t) => {
    const { householdId, orderId } = await issue(420, 1)
    await outcome(handOutCard(desk, orderId, undefined, clerk))
    const cardId = (await readOrder(desk, orderId)).cardId ?? 0
    await outcome(reportCard(desk, cardId, { kind: 'damage', reason: 'broken chip' }, clerk))
    const asked = { reason: 'damage', pay: 'postal' } as const
    t.match(await outcome(replaceCard(desk, cardId, asked, clerk)), /^refused: .* pay it in cash at the counter/)
    t.match(await outcome(replaceCard(desk, cardId, { ...asked, pay: 'cash', counter: 7 }, clerk)), /^done:/)
    t.match(await ordersOfHousehold(desk, householdId), [{ feePiasters: 30_000, feePaid: 'cash' }, { feePiasters: 0 }])
    await t.rejects(replaceCard(desk, cardId, { ...asked, pay: 'cash' }, clerk), /is ordered: one at a time/)
  })

  await t.test('M23: a telephone draws on the same wallets, and outlives the plastic card', async (t) => {
    const home = world.household({ governorate: 'PTS' })
    const { made, held } = newCard(600)
    const device = { device: 'wallet-600', token: made }
    t.match(await outcome(addDevice(desk, home.id, device, clerk)), /^done:/)
    t.equal((await bread(held, 1)).answer.code, '00')
    await outcome(reportCard(desk, home.id, { kind: 'loss', reason: 'lost' }, clerk))
    t.equal((await bread(held, 1)).answer.code, '00')
    const [phone] = await readDevices(desk, home.id)
    t.match(await outcome(removeDevice(desk, phone?.cardId ?? 0, 'stolen', clerk)), /^done:/)
    t.not((await bread(held, 1)).answer.code, '00')
    await t.rejects(addDevice(desk, home.id, device, clerk), /card with this number already/)
  })

  await t.test('M21: a pension is paid once for its month, an extraordinary support once for its period', async (t) => {
    const home = world.household({ governorate: 'PTS' })
    const before = available((await inquiry(home.card)).answer, '20') ?? 0
    const pension = { programme: 'pension', month: 202611, piasters: 150_000, reason: 'November' }
    t.match(await outcome(creditBenefit(desk, home.id, pension, clerk)), /^done: 1,500.00 EGP of pension/)
    const twice = await outcome(creditBenefit(desk, home.id, pension, clerk))
    t.equal(twice, 'refused: the household has had this credit for the month')
    t.equal(available((await inquiry(home.card)).answer, '20'), before + 150_000)
    const refusals: [Partial<typeof pension>, RegExp][] = [
      [{ programme: 'ration' }, /no such programme that pays money/],
      [{ month: 202612 }, /has not begun/],
      [{ piasters: 5_000_001 }, /at most 50,000.00 EGP/],
    ]
    for (const [change, words] of refusals) {
      t.match(await outcome(creditBenefit(desk, home.id, { ...pension, ...change }, clerk)), words)
    }
    const { householdId } = await issue(700, 1)
    const grant = { programme: 'grants', amount: 10_000, reason: 'decision 12' }
    t.match(await outcome(grantBenefit(desk, householdId, grant, clerk)), /^done: 10000 of grants granted for 202611/)
    t.match(await outcome(grantBenefit(desk, householdId, grant, clerk)), /^refused: the household has had grants/)
    t.match(
      await outcome(grantBenefit(desk, householdId, { ...grant, programme: 'ration' }, clerk)),
      /gives by its rule/,
    )
  })

  await t.test('a command that is not whole, or comes too late, is refused in words and changes nothing', async (t) => {
    const { householdId, orderId } = await issue(800, 1)
    const before = await world.client.query('select md5(string_agg(o::text, chr(10) order by o.id)) from card_order o')
    const why = { effective: 20261126, reasonCode: 'other', source: 'test' }
    const step = { order: orderId, was: 'ready', policy: { when: 'on-collection' } }
    const refusals: [kind: string, detail: Record<string, unknown>, words: RegExp, household?: number][] = [
      ['person-add', {}, /^refused: .* of the command is not as it must be$/],
      ['household-open', { governorate: 'PTS' }, /is not as it must be$/],
      ['card-collected', { ...step, collectBy: 20261226 }, /no card that waits to be handed out/],
      ['card-activate', { ...step, pinVerified: true }, /a card that is ready does not become active/],
      ['card-order', { order: orderId, was: 'fingerprint-enrolled' }, /^refused: the order has gone on meanwhile/],
      ['notice-expire', { ...step, reason: 'r', collectBy: 20261226 }, /can still be collected/],
      ['household-classes', { ...why, classes: ['takaful'] }, /no such household/, 77_777],
    ]
    for (const [kind, detail, words, household = householdId] of refusals) {
      const wanted = { lane: 0, kind, householdId: household, detail, requestedBy: 'tester' }
      t.match(await outcome(requestCommand(desk.client, wanted)), words, kind)
    }
    const after = await world.client.query('select md5(string_agg(o::text, chr(10) order by o.id)) from card_order o')
    t.same(after.rows, before.rows)
  })

  await t.test('M18: members come and go from dates on, the reason kept', async (t) => {
    const { householdId, orderId, held } = await issue(500, 2)
    await outcome(handOutCard(desk, orderId, undefined, clerk))
    const birth = { ...person(510, false), reasonCode: 'birth' }
    t.match(await outcome(addMember(desk, householdId, birth, clerk)), /^done: 3 member\(s\) from 20261127/)
    t.equal(available((await inquiry(held)).answer, '92'), 10, 'today as before')
    clock.advance(DAY_MS)
    const tomorrow = (await inquiry(held)).answer
    t.equal(available(tomorrow, '92'), 15)
    t.equal(available(tomorrow, '91'), 10_000, 'the month stays that of its first day')
    const [head, second] = await readMembers(desk, householdId)
    const moved = { reasonCode: 'moved', effective: '2026-11-26' }
    await t.rejects(removeMember(desk, householdId, head?.personId ?? 0, moved, clerk), /after another took the place/)
    t.match(await outcome(changeHead(desk, householdId, second?.personId ?? 0, moved, clerk)), /^done:/)
    t.equal((await readRecipients(desk, [householdId]))(householdId), undefined, 'the new head has no number yet')
    const removed = await outcome(removeMember(desk, householdId, head?.personId ?? 0, moved, clerk))
    t.match(removed, /^done: 2 member\(s\) from 20261128/, 'a date that is past counts from tomorrow')
    t.match(await readMembers(desk, householdId), { length: 3 }, 'who leaves tomorrow is a member today')
    await t.rejects(addMember(desk, 5, { ...person(501), reasonCode: 'moved' }, clerk), /member of a household already/)
    const early = { ...person(500), reasonCode: 'moved', effective: '2026-11-26' }
    t.match(await outcome(addMember(desk, 5, early, clerk)), /^done:/, 'elsewhere from the day on which it ends here')
    clock.advance(4 * DAY_MS)
    t.equal((await readMembers(desk, householdId)).length, 2)
    t.equal(available((await inquiry(held)).answer, '91'), 10_000, 'in the next month')
    const standing = { reasonCode: 'income', reason: 'found by cleansing' }
    const withId = { ...standing, reason: `of ${person(500).nationalId}` }
    await t.rejects(changeStanding(desk, householdId, 'suspended', withId, clerk), /without long numbers/)
    t.match(await outcome(changeStanding(desk, householdId, 'suspended', standing, clerk)), /^done:/)
    const twice = await outcome(changeStanding(desk, householdId, 'suspended', standing, clerk))
    t.match(twice, /^refused: .* suspended already/)
    t.equal((await bread(held, 1)).answer.code, '00', 'today still')
    clock.advance(DAY_MS)
    t.not((await bread(held, 1)).answer.code, '00')
    t.match(await outcome(changeStanding(desk, householdId, 'reinstated', standing, clerk)), /^done:/)
    clock.advance(DAY_MS)
    t.equal((await bread(held, 1)).answer.code, '00')
    const newHome = { reasonCode: 'new-home' }
    t.equal((await bread(held, 1, 'SUZ')).answer.code, '57')
    t.match(await outcome(moveHousehold(desk, householdId, 'SUZ', newHome, clerk)), /moved from PTS to SUZ/)
    t.equal((await bread(held, 1, 'SUZ')).answer.code, '00', 'where it lives now, at once')
    t.equal((await bread(held, 1)).answer.code, '57')
    t.equal((await readHousehold(desk.client, householdId)).governorate, 'SUZ')
    t.equal((await told(householdId)).at(-1), 'household-moved')
    t.match(await outcome(moveHousehold(desk, householdId, 'SUZ', newHome, clerk)), /^refused: .* there already/)
    await t.rejects(moveHousehold(desk, householdId, 'XX', newHome, clerk), /one of the codes of ISO 3166-2:EG/)
    const events = (await readHouseholdEvents(desk, householdId)).reverse()
    t.same(
      events.map(({ event, reasonCode }) => `${event} ${reasonCode}`),
      [
        'opened enrolment',
        'account-linked new-account',
        'added birth',
        'head-changed moved',
        'removed moved',
        'suspended income',
        'reinstated income',
        'moved new-home',
      ],
    )
  })

  await t.test('who lives alone dies, or goes to another household', async (t) => {
    const { householdId, orderId, held } = await issue(960, 1)
    await outcome(handOutCard(desk, orderId, undefined, clerk))
    const [only] = await readMembers(desk, householdId)
    const gone = { reasonCode: 'marriage' }
    t.match(
      await outcome(removeMember(desk, householdId, only?.personId ?? 0, gone, clerk)),
      /^done: the last member has left: no support from/,
    )
    t.equal((await bread(held, 1)).answer.code, '00', 'today still')
    t.match(await outcome(addMember(desk, 6, { ...person(960), ...gone }, clerk)), /^done:/)
    clock.advance(DAY_MS)
    t.equal((await bread(held, 1)).answer.code, '57')
    t.same(await readMembers(desk, householdId), [])
    t.equal((await readRecipients(desk, [householdId]))(householdId), undefined)
    clock.advance(-DAY_MS)
  })

  await t.test('what was drawn ahead for a member who left meanwhile is no fault of the ledger', async (t) => {
    const { householdId, orderId, held } = await issue(970, 3)
    await outcome(handOutCard(desk, orderId, undefined, clerk))
    const terminal = world.place('bakery', 'PTS')
    const ahead = unitDraw({ card: held, terminal, quantity: 45, days: 3, pricePiasters: 20 })
    t.equal((await world.pos.ask(ahead)).answer.code, '00')
    const leaves = (await readMembers(desk, householdId)).at(-1)
    const left = await outcome(removeMember(desk, householdId, leaves?.personId ?? 0, { reasonCode: 'moved' }, clerk))
    t.match(left, /^done: 2 member\(s\)/)
    clock.advance(40 * DAY_MS)
    t.equal((await inquiry(held)).answer.code, '00', 'which closes the month')
  })

  t.same(
    (await verifyLedger(world.databaseUrl)).filter(({ ok }) => !ok).map(({ name, detail }) => `${name}: ${detail}`),
    [],
  )
})
